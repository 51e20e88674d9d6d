//! The tests of the layers: a file imports from its own layer and those below it only, files import in no circle, and those
//! that need no `unsafe` forbid it.
//!
//! What a file names by `crate::`, `super::` or the name of a child counts as an import of the file that defines it, through
//! `pub use` as well; what tests name does not count.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The modules at the top, lowest first: each may use those before it.
const LAYERS: [&str; 17] = [
    "error",
    "threads",
    "bitset",
    "buffer_hints",
    "distance",
    "vector",
    "quant",
    "hnsw",
    "format",
    "pg",
    "store",
    "tableam",
    "knn",
    "indexam",
    "executor",
    "planner",
    "sql",
];
/// What puts the layers together.
const ABOVE_ALL: [&str; 3] = ["", "init", "layers"];

type Files = BTreeMap<String, String>;

/// The modules below a folder of the sources, with their texts.
fn sources(with_tests: bool) -> Files {
    let mut files = Files::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", with_tests, &mut files);
    files
}

/// Every module with its text, without comments, by its path without `crate::`.
fn read(folder: &Path, module: &str, with_tests: bool, files: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let child = if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") };
        if path.is_dir() {
            if with_tests || name != "tests" {
                read(&path, &child, with_tests, files);
            }
        } else if with_tests || name != "tests" {
            let text = std::fs::read_to_string(&path).unwrap();
            let code: Vec<&str> = text
                .lines()
                .take_while(|line| with_tests || *line != "mod tests {" && *line != "mod basics {")
                .map(|line| line.split("//").next().unwrap_or_default())
                .collect();
            let module = if name == "mod" || name == "lib" { module.to_owned() } else { child };
            files.insert(module, code.join("\n"));
        }
    }
}

/// The paths of a use tree, each with `prefix` before it.
fn expand(tree: &str, prefix: &str, paths: &mut Vec<String>) {
    let (mut depth, mut start) = (0, 0);
    let mut parts = Vec::new();
    for (at, letter) in tree.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    for part in parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        match part.split_once('{') {
            Some((before, rest)) => {
                expand(rest.trim_end().trim_end_matches('}'), &format!("{prefix}{}", before.trim()), paths)
            }
            None => paths.push(format!("{prefix}{}", part.split(" as ").next().unwrap_or_default().trim())),
        }
    }
}

/// A path as `module` writes it, without `crate::`; `None` when it leads out of the crate.
fn absolute(module: &str, path: &str, files: &Files) -> Option<String> {
    if let Some(rest) = path.strip_prefix("crate::") {
        return Some(rest.to_owned());
    }
    let (mut base, mut rest) = (module, path.strip_prefix("self::").unwrap_or(path));
    while let Some(after) = rest.strip_prefix("super::") {
        (base, rest) = (base.rsplit_once("::").map_or("", |(parent, _)| parent), after);
    }
    let whole = if base.is_empty() { rest.to_owned() } else { format!("{base}::{rest}") };
    let child = rest.split("::").next().unwrap_or_default();
    let first = if base.is_empty() { child.to_owned() } else { format!("{base}::{child}") };
    (rest.len() < path.len() || files.contains_key(&first) && !module.is_empty()).then_some(whole)
}

/// The statements `use ...;` of a text: whether each is `pub`, and its tree.
fn uses(text: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("use ") {
        let before = rest[..at].rsplit('\n').next().unwrap_or_default().trim();
        let end = rest[at..].find(';').map_or(rest.len(), |end| at + end);
        if before.is_empty() || before.starts_with("pub") {
            found.push((before.starts_with("pub"), rest[at + 4..end].to_owned()));
        }
        rest = &rest[end.min(rest.len())..];
    }
    found
}

/// Paths from `crate::` or `super::` on anywhere in a text.
fn named(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for root in ["crate::", "super::"] {
        for (at, _) in text.match_indices(root) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':') {
                continue;
            }
            let end = text[at..].find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'));
            found.push(text[at..end.map_or(text.len(), |end| at + end)].trim_end_matches(':').to_owned());
        }
    }
    found
}

/// What a text names by `name::`.
fn through<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = &'t str> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(name).filter_map(move |(at, _)| {
        let rest = text[at + name.len()..].strip_prefix("::")?;
        let before = text[..at].chars().next_back();
        let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        (!before.is_some_and(|letter| is_part(letter) || letter == ':')).then_some(&rest[..end])
    })
}

/// The file that a path leads to, through what modules export of others.
fn file_of(path: &str, exports: &BTreeMap<(String, String), String>, files: &Files) -> Option<String> {
    let mut path = path.trim_end_matches("::self").to_owned();
    for _ in 0..8 {
        let mut module = path.clone();
        let mut item = None;
        while !files.contains_key(&module) {
            let (parent, last) = module.rsplit_once("::")?;
            item = Some(last.to_owned());
            module = parent.to_owned();
        }
        match item.and_then(|item| exports.get(&(module.clone(), item))) {
            Some(other) => path.clone_from(other),
            None => return Some(module),
        }
    }
    None
}

/// Which files each file imports from.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let files = sources(false);
    let mut exports = BTreeMap::new();
    let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (module, text) in &files {
        let known = paths.entry(module.clone()).or_default();
        for (public, tree) in uses(text) {
            let mut written = Vec::new();
            expand(&tree, "", &mut written);
            for path in written.iter().filter_map(|path| absolute(module, path, &files)) {
                let last = path.rsplit("::").next().unwrap_or_default().to_owned();
                if public {
                    exports.insert((module.clone(), last), path.clone());
                }
                // a module that shows what its children define does not depend on them
                if !(public && path.starts_with(&format!("{module}::"))) {
                    known.push(path);
                }
            }
        }
        known.extend(named(text).iter().filter_map(|path| absolute(module, path, &files)));
        // what is named through an imported module
        for path in
            known.clone().iter().map(|path| path.trim_end_matches("::self")).filter(|path| files.contains_key(*path))
        {
            let name = path.rsplit("::").next().unwrap_or_default();
            known.extend(through(text, name).map(|item| format!("{path}::{item}")));
        }
    }
    let file = |path: &String| file_of(path, &exports, &files);
    paths
        .iter()
        .map(|(module, paths)| (module.clone(), paths.iter().filter_map(file).filter(|to| to != module).collect()))
        .collect()
}

fn layer(module: &str) -> usize {
    let top = module.split("::").next().unwrap_or_default();
    if ABOVE_ALL.contains(&top) {
        return LAYERS.len();
    }
    LAYERS.iter().position(|layer| *layer == top).unwrap_or_else(|| panic!("{top} is in no layer"))
}

#[test]
fn no_layer_imports_a_higher_one() {
    let mut wrong = Vec::new();
    for (from, to) in imports().iter().flat_map(|(from, files)| files.iter().map(move |to| (from, to))) {
        if layer(from) < layer(to) {
            wrong.push(format!("{from} imports {to}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_import_in_no_circle() {
    let mut left = imports();
    // what imports nothing that is left is in no circle, nor is what nothing that is left imports
    loop {
        let before = left.len();
        let names: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|_, files| files.iter().any(|file| names.contains(file)));
        let imported: BTreeSet<String> = left.values().flatten().cloned().collect();
        left.retain(|file, _| imported.contains(file));
        if left.len() == before {
            break;
        }
    }
    let shown: Vec<String> = left
        .iter()
        .map(|(from, files)| {
            format!(
                "{from} -> {}",
                files.iter().filter(|file| left.contains_key(*file)).cloned().collect::<Vec<_>>().join(", ")
            )
        })
        .collect();
    assert!(left.is_empty(), "in circles, or between two:\n{}", shown.join("\n"));
}

/// Whether `word` stands in a text by itself.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).any(|part| part == word)
}

#[test]
fn what_needs_no_unsafe_forbids_it() {
    let files = sources(true);
    let written = |text: &str| has_word(text, "unsafe");
    // who calls a macro of a file with `unsafe` may have it too
    let macros: Vec<String> = files
        .values()
        .filter(|text| written(text))
        .flat_map(|text| text.split("macro_rules! ").skip(1))
        .map(|rest| format!("{}!", rest.split_whitespace().next().unwrap_or_default()))
        .collect();
    let needs = |text: &str| written(text) || macros.iter().any(|name| text.contains(name));
    let is_in = |module: &str, top: &str| {
        top.is_empty() || module.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let (needing, others): (Vec<_>, Vec<_>) = files.iter().partition(|(_, text)| needs(text));
    let forbidding: Vec<&String> =
        files.iter().filter(|(_, text)| text.contains("#![forbid(unsafe_code)]")).map(|(module, _)| module).collect();
    // what a module forbids is forbidden to those in it as well
    let missing: Vec<&str> = others
        .iter()
        .map(|(module, _)| module.as_str())
        .filter(|module| !module.split("::").any(|part| part == "tests"))
        .filter(|module| !needing.iter().any(|(other, _)| is_in(other, module)))
        .filter(|module| !forbidding.iter().any(|top| is_in(module, top)))
        .collect();
    assert!(missing.is_empty(), "#![forbid(unsafe_code)] is missing in:\n{}", missing.join("\n"));
    assert!(needing.len() > 50 && forbidding.len() > 25 && macros.len() > 2);
}

#[test]
fn the_test_sees_imports() {
    let imports = imports();
    let has = |from: &str, to: &str| imports.get(from).is_some_and(|files| files.contains(to));
    // by `use`, through `pub use`, by a path in the text
    assert!(has("hnsw::build", "hnsw::workers") && has("hnsw::search", "quant::query"));
    assert!(imports.len() > 100 && imports.values().map(BTreeSet::len).sum::<usize>() > 500);
    let mut paths = Vec::new();
    expand("crate::a::{self, b::{C, D as E}, f}", "", &mut paths);
    assert_eq!(paths, ["crate::a::self", "crate::a::b::C", "crate::a::b::D", "crate::a::f"]);
}
