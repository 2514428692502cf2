//! Amounts of resources in the canonical form of Kubernetes (`k8s.io/apimachinery/pkg/api/resource`, 0.34.5).
//!
//! Its code has a fast way for small amounts and a slow one for the others, and only the fast one keeps the text of
//! an amount whose digits already look canonical: `12.345` stays, `1.5` becomes `1500m`. A hash sees the difference.

/// Exponents of ten with a suffix of their own.
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// Exponents of two with a suffix.
const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];
/// Nothing is smaller than a billionth.
const NANO: i64 = -9;

#[derive(Clone, Copy, PartialEq)]
enum Suffix {
    /// A letter for an exponent of ten.
    Decimal(i32),
    /// `e` and an exponent of ten.
    Exponent(i32),
    /// An exponent of two.
    Binary(u32),
}

/// The text that Go writes for an amount; `None` when it cannot read it.
pub(super) fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let parts = Parts::of(text)?;
    let suffix = suffix(parts.suffix)?;
    match parts.is_kept(suffix) {
        Some(true) => return Some(text.to_owned()),
        Some(false) => {}
        // The slow way wants a digit.
        None if !parts.has_digit => return None,
        None => {}
    }
    let mut amount = Amount::of(&parts, suffix);
    if amount.digits.is_empty() {
        return Some("0".to_owned());
    }
    amount.round_up();
    let sign = if parts.is_negative { "-" } else { "" };
    let text = match suffix {
        Suffix::Binary(_) => {
            amount.cap();
            amount.binary()
        }
        _ => None,
    };
    let text = text.unwrap_or_else(|| amount.decimal(matches!(suffix, Suffix::Exponent(_))));
    Some(format!("{sign}{text}"))
}

fn suffix(text: &str) -> Option<Suffix> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(suffix, _)| *suffix == text) {
        return Some(Suffix::Decimal(*exponent));
    }
    if let Some((_, exponent)) = BINARY.iter().find(|(suffix, _)| *suffix == text) {
        return Some(Suffix::Binary(*exponent));
    }
    let exponent: i64 = text.strip_prefix(['e', 'E'])?.parse().ok()?;
    // Go cuts it off as well.
    Some(Suffix::Exponent(exponent as i32))
}

struct Parts<'t> {
    is_negative: bool,
    /// Digits before the point, without leading zeros; `0` when there are none.
    whole: &'t str,
    fraction: &'t str,
    suffix: &'t str,
    has_digit: bool,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let digits = |text: &str| {
            text.find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len())
        };
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let trimmed = unsigned.trim_start_matches('0');
        let (whole, rest) = trimmed.split_at(digits(trimmed));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits(rest)),
            None => ("", rest),
        };
        let exponent = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        (digits(exponent) == exponent.len()).then_some(Parts {
            is_negative: text.starts_with('-'),
            whole: if whole.is_empty() { "0" } else { whole },
            fraction,
            suffix,
            has_digit: unsigned.starts_with(|c: char| c.is_ascii_digit()) || !fraction.is_empty(),
        })
    }

    /// Whether the text stays as it is; `None` when the amount goes the slow way.
    fn is_kept(&self, suffix: Suffix) -> Option<bool> {
        let count = self.whole.len() + self.fraction.len();
        match suffix {
            Suffix::Decimal(exponent) | Suffix::Exponent(exponent) => {
                let scale = i64::from(exponent) - self.fraction.len() as i64;
                if count > 18 || scale < NANO {
                    return None;
                }
                let shifted = format!("{}{}", self.whole, self.fraction);
                Some(scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0'))
            }
            Suffix::Binary(exponent) => {
                // Each ten of the exponent takes three of the fourteen digits that are safe.
                let safe = 14_usize.saturating_sub(exponent as usize * 3 / 10);
                if !self.fraction.is_empty() || count > safe {
                    return None;
                }
                let value: u64 = self.whole.parse().ok()?;
                Some(!value.is_multiple_of(8))
            }
        }
    }
}

/// Digits without leading zeros, most significant first, and an exponent of ten. None are zero.
struct Amount {
    digits: Vec<u8>,
    exponent: i64,
}

impl Amount {
    fn of(parts: &Parts<'_>, suffix: Suffix) -> Self {
        let (exponent, doublings) = match suffix {
            Suffix::Decimal(exponent) | Suffix::Exponent(exponent) => (i64::from(exponent), 0),
            Suffix::Binary(exponent) => (0, exponent),
        };
        let digits = parts.whole.bytes().chain(parts.fraction.bytes());
        let mut digits: Vec<u8> = digits
            .map(|digit| digit - b'0')
            .skip_while(|digit| *digit == 0)
            .collect();
        for _ in 0..doublings {
            double(&mut digits);
        }
        Amount {
            digits,
            exponent: exponent - parts.fraction.len() as i64,
        }
    }

    /// Rounds to billionths, away from zero.
    fn round_up(&mut self) {
        let Ok(excess @ 1..) = usize::try_from(NANO - self.exponent) else {
            return;
        };
        self.exponent = NANO;
        if excess >= self.digits.len() {
            self.digits = vec![1];
            return;
        }
        let dropped = self.digits.split_off(self.digits.len() - excess);
        if dropped.iter().any(|digit| *digit != 0) {
            increment(&mut self.digits);
        }
    }

    /// The digits before the point, and whether there is nothing but zeros behind it. The exponent is not above 0.
    fn whole(&self) -> (&[u8], bool) {
        let behind = usize::try_from(-self.exponent).unwrap_or(0);
        let (whole, fraction) = self
            .digits
            .split_at(self.digits.len().saturating_sub(behind));
        (whole, fraction.iter().all(|digit| *digit == 0))
    }

    /// Amounts in powers of two end at the largest whole number of 64 bits.
    fn cap(&mut self) {
        let most = i64::MAX.to_string();
        let most: Vec<u8> = most.bytes().map(|digit| digit - b'0').collect();
        let (whole, is_whole) = self.whole();
        let order = (whole.len(), whole).cmp(&(most.len(), &most));
        if order.is_gt() || (order.is_eq() && !is_whole) {
            self.digits = most;
            self.exponent = 0;
        }
    }

    /// In powers of two; `None` for amounts below 1024, and for fractions.
    fn binary(&self) -> Option<String> {
        let (whole, true) = self.whole() else {
            return None;
        };
        let mut number = whole
            .iter()
            .fold(0_u64, |number, digit| number * 10 + u64::from(*digit));
        if number < 1024 {
            return None;
        }
        let mut powers = 0;
        while number.is_multiple_of(1024) {
            number /= 1024;
            powers += 10;
        }
        let suffix = BINARY.iter().find(|(_, exponent)| *exponent == powers);
        Some(format!("{number}{}", suffix.map_or("", |(name, _)| name)))
    }

    /// In powers of a thousand. One without a letter gets none: so Kubernetes writes it.
    fn decimal(mut self, with_exponent: bool) -> String {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
            self.exponent += 1;
        }
        while self.exponent % 3 != 0 {
            self.digits.push(0);
            self.exponent -= 1;
        }
        let mut text: String = self
            .digits
            .iter()
            .map(|digit| char::from(b'0' + digit))
            .collect();
        let letter = DECIMAL
            .iter()
            .find(|(_, exponent)| i64::from(*exponent) == self.exponent);
        match (with_exponent, letter) {
            (true, _) if self.exponent != 0 => text.push_str(&format!("e{}", self.exponent)),
            (false, Some((letter, _))) => text.push_str(letter),
            _ => {}
        }
        text
    }
}

fn double(digits: &mut Vec<u8>) {
    let mut carry = 0;
    for digit in digits.iter_mut().rev() {
        let doubled = *digit * 2 + carry;
        *digit = doubled % 10;
        carry = doubled / 10;
    }
    if carry > 0 {
        digits.insert(0, carry);
    }
}

fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
}
