//! The order of the rooms: what the table in `src/lib.rs` says of them holds for every path in the code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

type Module = Vec<String>;

/// The code of every file of the library by its module, without comments and unit tests.
fn sources() -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &[],
        &mut found,
    );
    found
}

fn collect(folder: &Path, module: &[String], found: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_string();
        let child = [module, std::slice::from_ref(&stem)].concat();
        if path.is_dir() {
            collect(&path, &child, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = own.lines().map(|line| line.split("//").next().unwrap());
            let of = match stem.as_str() {
                "lib" | "main" | "mod" => module.to_vec(),
                _ => child,
            };
            found.insert(of, lines.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Rooms in their order, ground floor first.
fn rooms() -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! - "));
    let names = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    names.map(str::to_string).collect()
}

/// All that paths beginning with a keyword lead to: of `crate::a::{b, c::d}` it is `a::b` and `a::c::d`.
fn paths(code: &str, keyword: &str) -> Vec<Module> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(keyword) {
        let before = code[..at].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || "_$:".contains(c)) {
            branch(&code[at + keyword.len()..], &[], &mut found);
        }
    }
    found
}

/// Follows one path, and all the paths of its braces; returns what is behind them.
fn branch<'t>(mut rest: &'t str, above: &[String], found: &mut Vec<Module>) -> &'t str {
    let mut path = above.to_vec();
    loop {
        rest = rest.trim_start();
        if let Some(mut list) = rest.strip_prefix('{') {
            loop {
                list = branch(list, &path, found).trim_start();
                list = list.strip_prefix(',').unwrap_or(list).trim_start();
                match list.strip_prefix('}') {
                    Some(behind) => return behind,
                    None if list.is_empty() => return list,
                    None => {}
                }
            }
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        path.push(name.to_string());
        // a glob, or what is no path at all
        rest = if name.is_empty() {
            behind.get(1..).unwrap_or("")
        } else {
            behind
        };
        match rest.strip_prefix("::") {
            Some(deeper) => rest = deeper,
            None => break,
        }
    }
    found.push(path);
    let renamed = rest.trim_start().strip_prefix("as ").map(str::trim_start);
    renamed.map_or(rest, |name| {
        name.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn paths_are_found() {
    let code = "use crate::{a::{b, c::d as e}, f}; crate::g(1); my_crate::h; use crate::i::*;";
    let found: Vec<String> = paths(code, "crate::").iter().map(|path| path.join(".")).collect();
    assert_eq!(found, ["a.b", "a.c.d", "f", "g", "i."]);
}

#[test]
fn rooms_know_only_those_below_them() {
    let (rooms, sources) = (rooms(), sources());
    let floor = |name: &str| rooms.iter().position(|room| room == name);
    for module in sources.keys().filter_map(|module| module.first()) {
        assert!(floor(module).is_some(), "{module} is not in the table of lib.rs");
    }
    for (module, code) in sources.iter().filter(|(module, _)| !module.is_empty()) {
        for path in paths(code, "crate::") {
            let Some(other) = floor(&path[0]) else { continue };
            let own = floor(&module[0]).unwrap();
            assert!(own >= other, "{} knows {}", module.join("::"), path.join("::"));
        }
    }
}

#[test]
fn only_the_gpu_room_names_wgpu() {
    for (module, code) in sources() {
        let gpu = module.first().is_some_and(|room| room == "gpu");
        assert!(gpu || !code.contains("wgpu::"), "{}", module.join("::"));
    }
}

/// The file that each file knows; a child may look at what is above it.
fn known(sources: &BTreeMap<Module, String>) -> BTreeMap<&Module, BTreeSet<&Module>> {
    let owner = |path: &[String]| {
        let mut names = (1..=path.len()).rev().map(|len| &path[..len]);
        names
            .find_map(|path| sources.get_key_value(path))
            .map(|(module, _)| module)
    };
    let of = |module: &Module, code: &str| {
        let mut all = paths(code, "crate::");
        for depth in 1..=module.len() {
            let above = &module[..module.len() - depth];
            let relative = paths(code, &"super::".repeat(depth)).into_iter();
            all.extend(
                relative
                    .filter(|path| path[0] != "super")
                    .map(|path| [above, &path].concat()),
            );
        }
        all.extend(
            paths(code, "self::")
                .into_iter()
                .map(|path| [module.as_slice(), &path].concat()),
        );
        let owners = all.iter().filter_map(|path| owner(path));
        owners.filter(|owner| !module.starts_with(owner)).collect()
    };
    sources
        .iter()
        .map(|(module, code)| (module, of(module, code)))
        .collect()
}

#[test]
fn no_files_know_each_other_in_a_circle() {
    let sources = sources();
    let known = known(&sources);
    let reached = |from| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            next.extend(
                known[module]
                    .iter()
                    .copied()
                    .filter(|&module| seen.insert(module)),
            );
        }
        seen
    };
    let reached: BTreeMap<&Module, _> = known.keys().map(|&module| (module, reached(module))).collect();
    let mut circles = BTreeSet::new();
    for (module, seen) in reached.iter().filter(|(module, seen)| seen.contains(*module)) {
        let round = seen.iter().filter(|other| reached[*other].contains(*module));
        circles.insert(round.map(|module| module.join("/")).collect::<Vec<_>>());
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

/// What pages link to in the tree is there.
#[test]
fn links_of_the_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut links = 0;
    for page in docs.chain([root.join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
        {
            if target.contains("://") || target.is_empty() {
                continue;
            }
            let found = page.parent().unwrap().join(target);
            assert!(found.exists(), "{} links to {target}", page.display());
            links += 1;
        }
    }
    assert!(links > 50, "{links}");
}
