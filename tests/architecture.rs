//! Architecture rules of `src/`: allowed imports between modules, no cycles between files, size limits of files and
//! folders.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Layers from top to bottom. A module may import only layers below it.
const ROOMS: &[&str] = &[
    "cli",
    "server",
    "admin",
    "import",
    "api",
    "http",
    "webhook",
    "mail",
    "l10n",
    "queue",
    "db",
    "postgres",
    "telemetry",
    "config",
    "http_client",
    "audit",
    "metrics",
    "domain",
    "clock",
];
const MAX_LINES: usize = 400;
const MAX_FILES: usize = 14;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources.extend(self::sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            sources.push(entry);
        }
    }
    sources.sort();
    sources
}

/// `src/db/users/mod.rs` is `db::users`.
fn module(file: &Path) -> Vec<String> {
    let path = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut module: Vec<String> =
        path.iter().map(|part| part.to_str().unwrap().to_owned()).filter(|part| part != "lib").collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// The code of a file, without comments, tests and `mod` lines.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The paths of a `use` tree, such as `super::{a::B, c}`.
fn leaves(prefix: &[String], tree: &str, all: &mut Vec<Vec<String>>) {
    let Some((head, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap().trim();
        let parts = path.split("::").filter(|part| !part.is_empty() && *part != "self" || path == "self");
        all.push(prefix.iter().cloned().chain(parts.map(str::to_owned)).collect());
        return;
    };
    let head = head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
    let prefix: Vec<String> = prefix.iter().cloned().chain(head).collect();
    let (mut depth, mut from) = (0, 0);
    let inner = &rest[..rest.rfind('}').unwrap()];
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[from..at].trim().is_empty() {
                    leaves(&prefix, inner[from..at].trim(), all);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// The crate paths that a file names, from the root: its re-exports and its uses.
fn imports(module: &[String], is_folder: bool, code: &str) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let (mut exported, mut used) = (Vec::new(), Vec::new());
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        let at = statement.find("use ");
        match at.map(|at| (statement[..at].rsplit('\n').next().unwrap(), &statement[at + 4..])) {
            Some(("", tree)) => leaves(&[], tree.trim_end_matches(';').trim(), &mut used),
            Some((before, tree)) if before.starts_with("pub") => {
                leaves(&[], tree.trim_end_matches(';').trim(), &mut exported);
            }
            _ => rest.push_str(statement),
        }
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for start in ["crate::", "super::"] {
        for (at, _) in rest.match_indices(start) {
            let before = rest[..at].chars().next_back();
            if before.is_none_or(|c| !is_word(c) && c != ':') {
                let path = rest[at..].split(|c| !is_word(c) && c != ':').next().unwrap();
                used.push(path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect());
            }
        }
    }
    let resolve = |path: Vec<String>| {
        let mut from = module.to_vec();
        let mut path = path.into_iter().peekable();
        match path.peek().map(String::as_str) {
            Some("crate") => {
                from.clear();
                path.next();
            }
            Some("super" | "self") => {
                while let Some(step) = path.next_if(|part| part == "super" || part == "self") {
                    if step == "super" {
                        from.pop();
                    }
                }
            }
            Some(_) if is_folder => {}
            _ => return None,
        }
        from.extend(path);
        Some(from)
    };
    let resolve = |paths: Vec<Vec<String>>| paths.into_iter().filter_map(resolve).collect();
    (resolve(exported), resolve(used))
}

/// The files that each file imports.
fn graph() -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
    let files: BTreeMap<Vec<String>, PathBuf> = sources(&root().join("src"))
        .into_iter()
        .filter(|file| !file.ends_with("main.rs") && !file.ends_with("tests.rs"))
        .map(|file| (module(&file), file))
        .collect();
    let is_folder = |file: &Path| file.ends_with("mod.rs") || file.with_extension("").is_dir();
    let read: BTreeMap<_, _> = files
        .iter()
        .map(|(module, file)| (module.clone(), imports(module, is_folder(file), &code(file))))
        .collect();
    // A re-export of a folder belongs to the file that defines the item.
    let mut exports = BTreeMap::new();
    for (module, (exported, _)) in &read {
        for path in exported {
            let mut name = module.clone();
            name.extend(path.last().cloned());
            exports.insert(name, path.clone());
        }
    }
    let mut graph = BTreeMap::new();
    for (module, file) in &files {
        let mut imported = BTreeSet::new();
        for path in &read[module].1 {
            let mut path = path.clone();
            // A re-export can have the name of its file, such as `router::router`.
            for _ in 0..3 {
                let export =
                    (1..=path.len()).rev().find_map(|length| Some((length, exports.get(&path[..length])?)));
                match export {
                    Some((length, export)) if !export.starts_with(&path) => {
                        path.splice(..length, export.iter().cloned());
                    }
                    _ => break,
                }
            }
            let known = (1..=path.len()).rev().find_map(|length| files.get(&path[..length]));
            imported.extend(known.filter(|known| *known != file).cloned());
        }
        graph.insert(file.clone(), imported);
    }
    assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 500, "imports are found");
    graph
}

fn name(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn rooms_import_only_rooms_below() {
    let rank = |file: &Path| {
        let module = module(file);
        let room = module.first()?.clone();
        Some(ROOMS.iter().position(|name| *name == room).unwrap_or_else(|| panic!("{room} has no place")))
    };
    let mut wrong = Vec::new();
    for (file, imported) in graph() {
        let Some(own) = rank(&file) else { continue };
        for other in imported {
            if rank(&other).is_some_and(|other| other < own) {
                wrong.push(format!("{} imports {}", name(&file), name(&other)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let graph = graph();
    let mut reached: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> = BTreeMap::new();
    for from in graph.keys() {
        let (mut files, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            next.extend(graph[file].iter().filter(|file| files.insert(*file)));
        }
        reached.insert(from, files);
    }
    let in_circle = |file: &PathBuf, other: &PathBuf| reached[other].contains(file);
    let circles: BTreeMap<String, Vec<String>> = graph
        .iter()
        .map(|(file, imported)| {
            (
                name(file),
                imported.iter().filter(|other| in_circle(file, other)).map(|file| name(file)).collect(),
            )
        })
        .filter(|(_, imported): &(_, Vec<_>)| !imported.is_empty())
        .collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn files_and_folders_are_small() {
    let mut large = Vec::new();
    let mut folders: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for file in sources(&root().join("src")) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        if lines > MAX_LINES {
            large.push(format!("{}: {lines} lines", name(&file)));
        }
        *folders.entry(file.parent().unwrap().to_owned()).or_default() += 1;
    }
    for (folder, files) in folders {
        if files > MAX_FILES && !folder.ends_with("src") {
            large.push(format!("{}: {files} files", name(&folder)));
        }
    }
    assert!(large.is_empty(), "{large:#?}");
}
