//! Facts of the CEL specification's own conformance tests, for what is supported: each names its file and test
//! below `tests/simple/testdata` of google/cel-spec (commit 508bd98).

use crate::result_of;

#[test]
fn facts_of_the_specification() {
    for (source, text, expected) in [
        ("basic, self_eval_int_nonzero", "42 == 0x2a", true),
        (
            "basic, self_eval_int_negative_min",
            "-9223372036854775808 < 0",
            true,
        ),
        (
            "basic, self_eval_float_negative_exp",
            "-2.3e+1 == -23.0",
            true,
        ),
        (
            "basic, self_eval_string_escape",
            r#"'\x41\u0041\U00000041\101' == "AAAA""#,
            true,
        ),
        ("comparisons, eq_string", "'' == \"\"", true),
        (
            "comparisons, eq_list_order",
            "[1, 2, 3] == [1, 3, 2]",
            false,
        ),
        (
            "comparisons, eq_map_onekey",
            "{'k':'v'} == {\"k\":\"v\"}",
            true,
        ),
        (
            "comparisons, eq_map_key_order",
            "{'k1':'v1','k2':'v2'} == {'k2':'v2','k1':'v1'}",
            true,
        ),
        ("comparisons, not_ne_list_of_list", "[[]] != [[]]", false),
        ("comparisons, lt_string_case", "'I' < 'i'", true),
        (
            "comparisons, lt_unicode_order_lexical",
            "'f' < '\u{1f431}'",
            true,
        ),
        ("comparisons, lt_bool_false_first", "false < true", true),
        (
            "comparisons, lt_mixed int and double",
            "1 < 1.1 && 2u < 2.5 && 1 < 2u",
            true,
        ),
        (
            "comparisons, lt_int_double just beyond",
            "9223372036854775807 < 9223372036854775808.0",
            true,
        ),
        (
            "comparisons, in_list, elem_in_list",
            "2 in [5, 4, 3, 2, 1]",
            true,
        ),
        ("comparisons, in_list, empty", "'empty' in []", false),
        (
            "comparisons, in_map, key_in_map",
            "'key1' in {'key1':1, 'key2':2}",
            true,
        ),
        (
            "conversions, double_truncate",
            "int(1.9) == 1 && int(-7.9) == -7",
            true,
        ),
        ("conversions, string_int", "int('987') == 987", true),
        (
            "conversions, uint_double_truncate",
            "uint(3.14159265) == 3u",
            true,
        ),
        (
            "conversions, string_true",
            "bool('t') && bool('TRUE') && !bool('0')",
            true,
        ),
        (
            "conversions, string_double",
            "double('6.02214e23') == 6.02214e23",
            true,
        ),
        (
            "conversions, double_string",
            "string(123.456) == '123.456' && string(-4.5e-3) == '-0.0045'",
            true,
        ),
        (
            "conversions, duration_string",
            "string(duration('1000000s')) == '1000000s'",
            true,
        ),
        ("fp_math, add_left_identity", "0.0 + 2.5 == 2.5", true),
        ("fp_math, unary_minus_not_neg", "-(-4.5) == 4.5", true),
        (
            "integer_math, int64_overflow_negative divisor",
            "-9 / 2 == -4 && -9 % 2 == -1",
            true,
        ),
        (
            "integer_math, mod_negative_denominator",
            "43 % -5 == 3",
            true,
        ),
        (
            "integer_math, multiply_associative",
            "5 * (15 * 25) == (5 * 15) * 25",
            true,
        ),
        (
            "lists, concatenate",
            "[0.0, 1.0, 2.0] + [] == [0.0, 1.0, 2.0]",
            true,
        ),
        ("lists, index_zero_based", "[7, 8, 9][0] == 7", true),
        (
            "logic, AND error_left short circuit",
            "false && [1][5] == 1",
            false,
        ),
        (
            "logic, OR error_right short circuit",
            "[1][5] == 1 || true",
            true,
        ),
        (
            "logic, conditional false_case",
            "(false ? 'foo' : 'bar') == 'bar'",
            true,
        ),
        (
            "macros, exists list_elem_some_true",
            "[1, 2, 3].exists(e, e > 1)",
            true,
        ),
        (
            "macros, exists list_elem_type_shortcircuit",
            "[1, 2, 3].exists(e, [1][e] == 1 || e == 3)",
            true,
        ),
        ("macros, exists list_empty", "[].exists(e, e == 2)", false),
        (
            "macros, exists map_key",
            "{'key1':1, 'key2':2}.exists(k, k == 'key2')",
            true,
        ),
        (
            "macros, all list_elem_error_shortcircuit",
            "[1, 2, 3].all(e, [1, 2][e] == 0)",
            false,
        ),
        ("macros, all list_empty", "[].all(e, e > 0)", true),
        (
            "macros, exists_one list_one",
            "[7].exists_one(a, a == 7)",
            true,
        ),
        (
            "macros, exists_one list_many",
            "[7, 7].exists_one(a, a == 7)",
            false,
        ),
        (
            "macros, map list_three",
            "[3, 4, 5].map(n, n * 2) == [6, 8, 10]",
            true,
        ),
        (
            "macros, filter list_all_true",
            "[1, 2, 3].filter(n, n > 0) == [1, 2, 3]",
            true,
        ),
        (
            "macros, nested filter_all",
            "['signer'].filter(s, ['artifact'].all(a, true)).size() == 1",
            true,
        ),
        (
            "parse, conditional nested",
            "(false ? 1 : true ? 2 : 3) == 2",
            true,
        ),
        ("parse, unary_not twice", "!!true", true),
        (
            "string, size one_unicode",
            "size('ÿ') == 1 && size('πέντε') == 5",
            true,
        ),
        (
            "string, size utf8 beyond the basic plane",
            "size('four\u{1f431}') == 5",
            true,
        ),
        (
            "string, contains self, empty",
            "'abc'.contains('abc') && 'abc'.contains('')",
            true,
        ),
        (
            "string, starts_with unicode",
            "'Строка'.startsWith('Ст')",
            true,
        ),
        ("string, ends_with", "'foobar'.endsWith('bar')", true),
        ("string, concat_with_unicode", "'¢' + 'ÿ' == '¢ÿ'", true),
        (
            "timestamps, duration add",
            "duration('600s') + duration('50s') == duration('650s')",
            true,
        ),
        (
            "timestamps, duration less_than",
            "duration('200s') < duration('300s')",
            true,
        ),
        (
            "timestamps, duration get_hours",
            "duration('10000s').getHours() == 2",
            true,
        ),
    ] {
        assert_eq!(result_of(text), Ok(expected), "{source}: {text}");
    }
}

#[test]
fn errors_of_the_specification() {
    for (source, text, expected) in [
        (
            "integer_math, int64_overflow_positive",
            "9223372036854775807 + 1 == 0",
            "the result does not fit into an int",
        ),
        (
            "integer_math, int64_min_negate",
            "-(-9223372036854775808) == 0",
            "the result does not fit into an int",
        ),
        (
            "integer_math, int64_overflow_divide",
            "-9223372036854775808 / -1 == 0",
            "the result does not fit into an int",
        ),
        (
            "integer_math, uint64_overflow_negative",
            "0u - 1u == 0u",
            "the result does not fit into a uint",
        ),
        (
            "integer_math, uint64_overflow_mul",
            "5000000000u * 5000000000u == 0u",
            "the result does not fit into a uint",
        ),
        (
            "lists, index_out_of_bounds",
            "[1, 2, 3][3] == 1",
            "there is no element 3 in a list of 3",
        ),
        (
            "fields, map_no_such_key",
            "{0:1, 2:2, 5:3}[1] == 1",
            "there is no key `1`",
        ),
        (
            "fields, map_value_repeat_key",
            "{0: 1, 0: 2}.size() == 1",
            "the key `0` is there twice",
        ),
        (
            "macros, exists list_elem_error",
            "[1, 2, 3].exists(e, [1][e] == 17)",
            "there is no element 1 in a list of 1",
        ),
        (
            "macros, exists_one list_all_error",
            "[1, 2, 3].exists_one(x, [1][x] == 2)",
            "there is no element 1 in a list of 1",
        ),
        (
            "macros, map list_error",
            "[2, 1, 0].map(n, 4 / n)[0] == 2",
            "division by zero",
        ),
        (
            "timestamps, duration_range add_over",
            "duration('9000000000s') + duration('9000000000s') > duration('1s')",
            "the result does not fit into a duration",
        ),
    ] {
        assert_eq!(
            result_of(text),
            Err(expected.to_owned()),
            "{source}: {text}"
        );
    }
}

/// Language definition, "Syntax": implementations support at least so much.
#[test]
fn the_least_sizes_of_the_specification() {
    let rows = |part: &str, sign: &str| vec![part; 33].join(sign);
    let list = format!("[{}]", rows("0", ", "));
    for text in [
        format!("{}true{}", "(".repeat(32), ")".repeat(32)),
        format!("{} || true", rows("false", " || ")),
        rows("true", " && "),
        format!("{} == 33", rows("1", " + ")),
        format!("{}true", "true ? true : ".repeat(32)),
        format!("{}true", "!".repeat(32)),
        format!("{}1 == 1", "-".repeat(31) + " -"),
        format!("{list}.size() == 33"),
        format!(
            "{}{}{} == [0][0]",
            "[".repeat(32),
            "0",
            "]".repeat(32) + &"[0]".repeat(32)
        ),
        format!("{}'x'{} == 'x'", "string(".repeat(32), ")".repeat(32)),
    ] {
        assert_eq!(result_of(&text), Ok(true), "{text}");
    }
}
