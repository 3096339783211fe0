//! What README.md and ARCHITECTURE.md point at is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 2] = ["README.md", "ARCHITECTURE.md"];
const PACKAGES: [&str; 4] = ["smtp-proto", "smtp-tokio", "smtp-asyncstd", "smtp-server-example"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap()
}

/// Names of all functions below `folder`.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).unwrap();
            let found = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            names.extend(found.map(str::to_string));
        }
    }
}

#[test]
fn each_test_that_a_document_names_is_there() {
    let mut there = BTreeSet::new();
    for package in PACKAGES {
        functions(&root().join(package).join("src"), &mut there);
        functions(&root().join(package).join("tests"), &mut there);
    }
    for document in DOCUMENTS.into_iter().chain(["docs/operating.md"]) {
        let text = read(document);
        // Code in backticks is every second piece; a test's name is a sentence.
        let is_sentence = |word: &&str| {
            word.matches('_').count() >= 3
                && word.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        };
        let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_sentence).collect();
        assert!(named.len() >= 5, "{document} names its tests: {named:?}");
        for name in named {
            assert!(there.contains(name), "{document} names `{name}`, which is no test");
        }
    }
}

#[test]
fn each_row_about_what_is_lost_or_comes_twice_names_a_test() {
    let page = read("docs/operating.md");
    let table = page.split("## What is lost or comes twice").nth(1).unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= 12, "{rows:?}");
    for row in rows {
        let cell = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap();
        assert!(cell.starts_with('`') && cell.matches('_').count() >= 3, "no test: {row}");
    }
}

#[test]
fn each_file_that_a_document_links_to_is_there() {
    for document in DOCUMENTS {
        let text = read(document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let is_file = !target.contains("://") && !target.starts_with('#');
            assert!(!is_file || root().join(target).exists(), "{document} links to {target}");
        }
    }
}

#[test]
fn each_alert_has_its_section_in_the_operators_page() {
    let rules = read("docs/alerts.yml");
    let page = read("docs/operating.md");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(!alerts.is_empty());
    assert_eq!(sections, alerts);
}
