//! The names that one source file uses, held against those that a pure crate must not use.
//!
//! It reads syntax, so comments and texts do not count; of macros it sees the tokens. What is compiled
//! for tests only is left out. `sources` follows the modules from file to file.

use super::Violation;
use anyhow::{Context, Result};
use proc_macro2::{Span, TokenStream, TokenTree};
use std::path::PathBuf;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// What a pure crate must not name, and what it does instead.
const FORBIDDEN: [(&str, &str); 16] = [
    ("std::time::SystemTime", "pass the time as a `Timestamp`"),
    ("std::time::Instant", "pass the time as a `Timestamp`"),
    ("std::fs", "pass the contents; an adapter reads the file"),
    ("std::env", "pass the value; the app reads the environment"),
    ("std::net::TcpStream", "adapters talk to the network"),
    ("std::net::TcpListener", "adapters talk to the network"),
    ("std::net::UdpSocket", "adapters talk to the network"),
    ("std::net::ToSocketAddrs", "adapters resolve names"),
    ("std::os", "adapters call the system"),
    (
        "std::process",
        "adapters run programs; return an error instead of ending this one",
    ),
    ("std::thread", "adapters own the threads"),
    (
        "std::thread_local",
        "pass the state; nothing here is global",
    ),
    ("std::io::stdin", "pass the contents"),
    ("std::io::stdout", "return the text"),
    ("std::io::stderr", "return the text"),
    (
        "std::collections::hash_map::RandomState",
        "use an ordered collection or a fixed hash",
    ),
];

/// Types that let a static change.
const CHANGEABLE: [&str; 8] = [
    "Mutex",
    "RwLock",
    "OnceLock",
    "OnceCell",
    "Cell",
    "RefCell",
    "UnsafeCell",
    "Condvar",
];

/// Path of a module below the file that names it: inline modules around it first.
pub(super) type ModulePath = Vec<PathBuf>;

/// Reads one file; what should not be there, and the modules whose files are to be read next.
pub(super) fn scan_text(name: &str, text: &str) -> Result<(Vec<Violation>, Vec<ModulePath>)> {
    let file = syn::parse_file(text).with_context(|| format!("{name} is not Rust"))?;
    let mut reader = Reader {
        name,
        ..Reader::default()
    };
    reader.visit_file(&file);
    Ok((reader.violations, reader.modules))
}

#[derive(Default)]
struct Reader<'a> {
    name: &'a str,
    violations: Vec<Violation>,
    modules: Vec<ModulePath>,
    inside: ModulePath,
}

impl Reader<'_> {
    fn report(&mut self, span: Span, what: &str, instead: &str) {
        let at = span.start();
        self.violations.push(Violation {
            place: format!("{}:{}:{}", self.name, at.line, at.column + 1),
            rule: format!("`{what}` in a pure crate: {instead}"),
        });
    }

    /// Judges a path by its segments; `open` when it stands for everything below it.
    fn judge(&mut self, segments: &[String], open: bool, span: Span) {
        let Some(first) = segments.first() else {
            return;
        };
        let mut path = segments.join("::");
        if first == "core" || first == "alloc" {
            path = path.replacen(first.as_str(), "std", 1);
        }
        for (forbidden, instead) in FORBIDDEN {
            let below = path == forbidden || path.starts_with(&format!("{forbidden}::"));
            let around = open && forbidden.starts_with(&format!("{path}::"));
            if below || around {
                self.report(span, forbidden, instead);
                return;
            }
        }
    }

    fn judge_use(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| {
            let mut path = before.to_vec();
            if ident != "self" {
                path.push(ident.to_string());
            }
            path
        };
        match tree {
            syn::UseTree::Path(path) => self.judge_use(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => self.judge(&with(&name.ident), false, name.span()),
            // Another name for a parent would hide what is used of it.
            syn::UseTree::Rename(name) => self.judge(&with(&name.ident), true, name.span()),
            syn::UseTree::Glob(glob) => self.judge(before, true, glob.span()),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.judge_use(tree, before);
                }
            }
        }
    }

    /// Macros are tokens; what looks like a path in them is taken for one.
    fn judge_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut start = Span::call_site();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Ident(ident) => {
                    self.judge(&path, false, start);
                    start = ident.span();
                    path = vec![ident.to_string()];
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.judge(&path, false, start);
                    path.clear();
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.judge_tokens(group.stream());
                    }
                }
            }
        }
        self.judge(&path, false, start);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let named = module
            .attrs
            .iter()
            .find(|attribute| attribute.path().is_ident("path"));
        if let Some(named) = named {
            self.report(named.span(), "#[path]", "name the file after its module");
            return;
        }
        self.inside.push(PathBuf::from(module.ident.to_string()));
        match &module.content {
            Some((_, items)) => items.iter().for_each(|item| self.visit_item(item)),
            None => self.modules.push(self.inside.clone()),
        }
        self.inside.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.judge_use(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.judge(&segments, false, path.span());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.is_ident("thread_local") {
            self.report(
                call.span(),
                "thread_local!",
                "pass the state; nothing here is global",
            );
        }
        self.visit_path(&call.path);
        self.judge_tokens(call.tokens.clone());
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        let mut names = TypeNames::default();
        names.visit_type(&item.ty);
        let changeable =
            |name: &String| CHANGEABLE.contains(&name.as_str()) || name.starts_with("Atomic");
        let is_mutable = !matches!(item.mutability, syn::StaticMutability::None);
        if is_mutable || names.0.iter().any(changeable) {
            self.report(
                item.span(),
                "static",
                "pass the state; nothing here is global",
            );
        }
        visit::visit_item_static(self, item);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if signature.asyncness.is_some() {
            self.report(
                signature.span(),
                "async",
                "adapters wait; take values and return values",
            );
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.report(
            block.span(),
            "async",
            "adapters wait; take values and return values",
        );
        visit::visit_expr_async(self, block);
    }
}

/// The names of all types within a type.
#[derive(Default)]
struct TypeNames(Vec<String>);

impl<'ast> Visit<'ast> for TypeNames {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        self.0.push(segment.ident.to_string());
        visit::visit_path_segment(self, segment);
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether the attributes say `#[cfg(test)]`, or `#[cfg(all(test, …))]`.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .any(|attribute| {
            attribute.meta.require_list().is_ok_and(|list| {
                let mut tokens = list.tokens.clone().into_iter();
                match (tokens.next(), tokens.next()) {
                    (Some(TokenTree::Ident(only)), None) => only == "test",
                    (Some(TokenTree::Ident(all)), Some(TokenTree::Group(group))) => {
                        all == "all"
                            && group.stream().into_iter().any(
                                |token| matches!(token, TokenTree::Ident(ident) if ident == "test"),
                            )
                    }
                    _ => false,
                }
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let (violations, _) = scan_text("a.rs", text).expect("the example is Rust");
        violations.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_way_to_name_a_forbidden_thing_is_found() {
        for (text, place, name) in [
            ("use std::time::SystemTime;", "a.rs:1:16", "SystemTime"),
            (
                "use std::{collections::BTreeMap, fs};",
                "a.rs:1:34",
                "std::fs",
            ),
            ("use std::time::{self as t};", "a.rs:1:17", "SystemTime"),
            ("use std::io::*;", "a.rs:1:14", "std::io::stdin"),
            (
                "fn f() -> bool { std::env::var(\"A\").is_ok() }",
                "a.rs:1:18",
                "std::env",
            ),
            ("fn f(at: std::time::Instant) {}", "a.rs:1:10", "Instant"),
            (
                "fn f() { let _ = format!(\"{}\", std::process::id()); }",
                "a.rs:1:32",
                "std::process",
            ),
            (
                "fn f() {\n  let _ = ::std::thread::sleep;\n}",
                "a.rs:2:11",
                "std::thread",
            ),
            ("async fn f() {}", "a.rs:1:1", "async"),
            ("fn f() { let _ = async { 1 }; }", "a.rs:1:18", "async"),
            (
                "static COUNT: AtomicU64 = AtomicU64::new(0);",
                "a.rs:1:1",
                "static",
            ),
            ("static mut COUNT: u64 = 0;", "a.rs:1:1", "static"),
            (
                "static A: LazyLock<Mutex<u8>> = LazyLock::new(f);",
                "a.rs:1:1",
                "static",
            ),
            (
                "thread_local! { static A: u8 = 1; }",
                "a.rs:1:1",
                "thread_local!",
            ),
            ("#[path = \"b.rs\"] mod a;", "a.rs:1:1", "#[path]"),
        ] {
            let found = found(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(
                found[0].starts_with(&format!("{place}: ")) && found[0].contains(name),
                "{found:?}"
            );
        }
    }

    #[test]
    fn pure_code_comments_texts_and_tests_pass() {
        for text in [
            "use std::{time::Duration, net::IpAddr, collections::BTreeMap};",
            "/// Not `std::fs::read`.\nfn f() -> &'static str { \"std::env::var\" }",
            "static WORDS: [&str; 1] = [\"a\"];",
            "#[cfg(test)] mod tests { use std::fs; }",
            "#[cfg(test)] use std::time::Instant;",
            "#[cfg(all(test, unix))] fn f() { std::process::id(); }",
            "struct A; impl A { #[cfg(test)] fn f() { std::process::id(); } }",
            "fn f(std: u8) -> u8 { println!(\"{} {std}\", a ? b : c); std }",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }
}
