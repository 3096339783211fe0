//! Both adapters have the same public names, with the same signatures.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Declarations that one adapter has alone: `<` this one, `>` the other. Each with its reason.
const DIFFERENCES: &[(&str, &str)] = &[];

/// Each public declaration of a crate as `file: text`, without its body; the runtime's own names are left out of it.
fn declarations(adapter: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(adapter).join("src");
    let mut found = BTreeSet::new();
    collect(&folder, "", adapter, &mut found);
    found
}

fn collect(folder: &Path, prefix: &str, adapter: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &format!("{file}/"), adapter, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if !line.trim_start().starts_with("pub ") {
                continue;
            }
            let mut declaration = line.trim().to_owned();
            while !declaration.ends_with(['{', ';', ',', '}']) || is_open(&declaration) {
                let Some(next) = lines.next() else { break };
                declaration.push(' ');
                declaration.push_str(next.trim());
            }
            // Bodies and private fields are an adapter's own.
            let end = match declaration.split(' ').nth(1) {
                Some("use") => None,
                Some("struct") => declaration.find([';', '{', '(']),
                _ => declaration.find(" {"),
            };
            let declaration = declaration[..end.unwrap_or(declaration.len())].replace(adapter, "adapter");
            found.insert(format!("{file}: {declaration}"));
        }
    }
}

/// Whether a list of arguments goes on in the next line.
fn is_open(declaration: &str) -> bool {
    let count = |bracket| declaration.matches(bracket).count();
    count('(') > count(')') || (declaration.starts_with("pub use") && count('{') > count('}'))
}

#[test]
fn both_adapters_have_the_same_names_and_signatures() {
    let (here, there) = (declarations("smtp-asyncstd"), declarations("smtp-tokio"));
    assert!(here.contains("server.rs: pub fn handle(&self) -> Handle"), "declarations are found: {here:#?}");
    let alone = here.difference(&there).map(|declaration| format!("< {declaration}"));
    let mut alone: Vec<String> =
        alone.chain(there.difference(&here).map(|declaration| format!("> {declaration}"))).collect();
    alone.sort();
    let mut named: Vec<&str> = DIFFERENCES.iter().map(|(declaration, _)| *declaration).collect();
    named.sort_unstable();
    assert_eq!(alone, named);
}

/// Lines of a manifest's `[features]`, without comments.
fn features(adapter: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(adapter).join("Cargo.toml");
    let text = fs::read_to_string(path).unwrap();
    let section = text.lines().skip_while(|line| *line != "[features]").skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name.to_owned()))
        .collect()
}

#[test]
fn both_adapters_have_the_same_features() {
    let here = features("smtp-asyncstd");
    assert!(here.contains("tls"), "{here:?}");
    assert_eq!(here, features("smtp-tokio"));
}
