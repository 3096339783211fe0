//! `docs/rfc.md` names files, items and tests that exist, and the check itself fails where it should.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rfc.md");

/// What the page must have rows of, met or not.
const SOURCES: &[&str] = &[
    "5321", "1845", "1870", "1985", "2033", "2034", "2195", "2645", "2852", "2920", "3030", "3207", "3461",
    "3463", "3848", "3865", "3885", "4013", "4141", "4422", "4468", "4505", "4616", "4648", "4865", "4954",
    "5248", "5802", "5929", "6152", "6531", "6533", "6710", "7293", "7504", "7628", "7677", "8314", "8689",
    "9266", "9422", "LOGIN", "PROXY", "XCLIENT", "XFORWARD", "XOAUTH2",
];

/// Everything under the repository that rows may name, read once.
#[derive(Default)]
struct Tree {
    texts: RefCell<BTreeMap<String, Option<Rc<str>>>>,
    ids: RefCell<BTreeMap<String, Rc<BTreeSet<String>>>>,
}

impl Tree {
    fn read(&self, file: &str) -> Result<Rc<str>, String> {
        let mut texts = self.texts.borrow_mut();
        let read = || fs::read_to_string(Path::new(ROOT).join(file)).ok().map(Rc::from);
        let text = texts.entry(file.to_owned()).or_insert_with(read);
        text.clone().ok_or_else(|| format!("no file {file}"))
    }

    /// The ids of a file of vectors.
    fn ids(&self, file: &str) -> Result<Rc<BTreeSet<String>>, String> {
        let text = self.read(file)?;
        let mut ids = self.ids.borrow_mut();
        let read = || {
            let vectors: Vec<Value> = serde_json::from_str(&text).expect(file);
            vectors.iter().map(|vector| vector["id"].as_str().expect(file).to_owned()).collect()
        };
        Ok(Rc::clone(ids.entry(file.to_owned()).or_insert_with(|| Rc::new(read()))))
    }
}

/// One row of a table: the heading it stands under, its line, its cells.
struct Row<'p> {
    heading: &'p str,
    line: usize,
    cells: Vec<&'p str>,
}

/// The rows of every table of a page, without the tables' heads.
fn rows(page: &str) -> Vec<Row<'_>> {
    let (mut rows, mut heading, mut in_body) = (Vec::new(), "", false);
    for (line, text) in (1..).zip(page.lines()) {
        if let Some(title) = text.strip_prefix("## ") {
            heading = title;
        }
        let Some(inner) = text.strip_prefix('|') else {
            in_body = false;
            continue;
        };
        if in_body {
            let inner = inner.strip_suffix('|').unwrap_or(inner);
            rows.push(Row { heading, line, cells: inner.split('|').map(str::trim).collect() });
        }
        in_body |= inner.starts_with("---");
    }
    rows
}

const NOT_YET: &str = "Not yet";

/// All that is wrong with a page.
fn problems(tree: &Tree, page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut requirements = BTreeSet::new();
    for row in rows(page) {
        let mut wrong = check(tree, &row).err();
        if wrong.is_none() && !requirements.insert((row.cells[0], row.cells[1])) {
            wrong = Some("the same requirement twice".into());
        }
        found.extend(wrong.map(|why| format!("docs/rfc.md:{}: {why}", row.line)));
    }
    found
}

fn check(tree: &Tree, row: &Row<'_>) -> Result<(), String> {
    let met = row.heading != NOT_YET;
    let want = if met { 4 } else { 3 };
    if row.cells.len() != want {
        return Err(format!("{} cells, not {want}", row.cells.len()));
    }
    if row.cells.iter().any(|cell| cell.is_empty()) {
        return Err("an empty cell".into());
    }
    let source = source(row.cells[0]).ok_or_else(|| format!("`{}` is no source", row.cells[0]))?;
    let title = row.heading.strip_prefix("RFC ").unwrap_or(row.heading);
    if met && !title.split([',', ':', ' ']).any(|word| word == source) {
        return Err(format!("{source} stands under `{}`", row.heading));
    }
    if met {
        check_code(tree, row.cells[2])?;
        check_tests(tree, row.cells[3])?;
    }
    Ok(())
}

/// `5321 §4.1.1`, `4422 App. A`, or the name alone of what is no RFC.
fn source(cell: &str) -> Option<&str> {
    let (name, place) = cell.split_once(' ').unwrap_or((cell, ""));
    let is_number = name.len() >= 3 && name.bytes().all(|octet| octet.is_ascii_digit());
    let is_place = place.starts_with('§') || place.starts_with("App. ");
    let known = SOURCES.contains(&name);
    ((is_number && is_place) || (!is_number && known && (place.is_empty() || is_place))).then_some(name)
}

/// A file and what is named of it.
type Reference<'p> = (&'p str, Vec<&'p str>);

/// Files and, behind each, names; all in backticks, with commas and semicolons between.
fn references(cell: &str) -> Result<Vec<Reference<'_>>, String> {
    let mut references: Vec<Reference<'_>> = Vec::new();
    for (index, part) in cell.split('`').enumerate() {
        match (index % 2, references.last_mut()) {
            (0, _) if part.chars().all(|c| " ,;".contains(c)) => {}
            (0, _) => return Err(format!("`{}` is neither file nor name", part.trim())),
            (_, _) if part.contains('/') => references.push((part, Vec::new())),
            (_, Some((_, names))) => names.push(part),
            (_, None) => return Err(format!("no file before `{part}`")),
        }
    }
    if references.is_empty() { Err("no file is named".into()) } else { Ok(references) }
}

fn check_code(tree: &Tree, cell: &str) -> Result<(), String> {
    for (file, names) in references(cell)? {
        let text = tree.read(file)?;
        if names.is_empty() {
            return Err(format!("nothing of {file} is named"));
        }
        if let Some(name) = names.iter().find(|name| !defines(&text, name)) {
            return Err(format!("{file} does not define {name}"));
        }
    }
    Ok(())
}

fn check_tests(tree: &Tree, cell: &str) -> Result<(), String> {
    let references = references(cell)?;
    for (file, names) in &references {
        let text = tree.read(file)?;
        match file.rsplit_once('.') {
            Some((_, "rs")) => {
                if names.is_empty() {
                    return Err(format!("no test of {file} is named"));
                }
                if let Some(name) = names.iter().find(|name| !is_test(&text, name)) {
                    return Err(format!("{file} has no test {name}"));
                }
            }
            Some((path, "txt")) if path.starts_with("smtp-proto/tests/transcripts/") => {}
            Some((path, "json")) => {
                let ids = tree.ids(file)?;
                check_vectors(&ids, names).map_err(|why| format!("{file}: {why}"))?;
                let include = format!("{}.json\"", path.replace("smtp-proto/tests/", "include_str!(\""));
                let played =
                    |(file, _): &Reference<'_>| tree.read(file).is_ok_and(|it| it.contains(&include));
                if !references.iter().any(played) {
                    return Err(format!("no test beside {file} plays it"));
                }
            }
            _ => return Err(format!("{file} is no test")),
        }
    }
    Ok(())
}

/// Names are ids of rows, or two of them with `..` between.
fn check_vectors(ids: &BTreeSet<String>, names: &[&str]) -> Result<(), String> {
    if names.is_empty() {
        return Err("no row is named".into());
    }
    match names.iter().flat_map(|name| name.split("..")).find(|id| !ids.contains(*id)) {
        Some(id) => Err(format!("no row {id}")),
        None => Ok(()),
    }
}

fn code(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line }
}

fn is_word_of(line: &str, word: &str) -> bool {
    words(line).any(|one| one == word)
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Whether `name`, or `Owner::name`, is defined in `text`.
fn defines(text: &str, name: &str) -> bool {
    match name.split_once("::") {
        None => text.lines().any(|line| defines_here(line, name)),
        Some((owner, item)) => blocks(text, owner).any(|(is_type, block)| {
            block.iter().any(|line| defines_here(line, item) || (is_type && is_member(line, item)))
        }),
    }
}

fn defines_here(line: &str, name: &str) -> bool {
    const KINDS: [&str; 9] =
        ["fn", "struct", "enum", "trait", "const", "static", "type", "mod", "macro_rules"];
    words(code(line)).zip(words(code(line)).skip(1)).any(|(kind, one)| KINDS.contains(&kind) && one == name)
}

/// A variant of an enum or a field of a struct.
fn is_member(line: &str, name: &str) -> bool {
    let line = code(line).trim_start();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    line.strip_prefix(name).is_some_and(|rest| matches!(rest.chars().next(), Some(',' | '(' | ':' | ' ')))
}

/// What stands inside of each `impl`, type, trait and module that `owner` names, and whether it is a type.
fn blocks<'t>(text: &'t str, owner: &'t str) -> impl Iterator<Item = (bool, Vec<&'t str>)> {
    let lines: Vec<&str> = text.lines().collect();
    (0..lines.len()).filter_map(move |at| {
        let line = code(lines[at]);
        let is_type = ["struct", "enum"].iter().any(|kind| is_word_of(line, kind));
        let opens = is_type || ["impl", "trait", "mod"].iter().any(|kind| words(line).any(|it| it == *kind));
        let subject = line.rsplit_once(" for ").map_or(line, |(_, subject)| subject);
        if !opens || !line.ends_with('{') || !is_word_of(subject, owner) {
            return None;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        Some((is_type, lines[at + 1..].iter().copied().take_while(|line| *line != end).collect()))
    })
}

/// Whether `name` is a function that the test runner runs by default.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let found = lines.iter().position(|line| defines_here(line, name) && is_word_of(line, "fn"));
    let Some(at) = found else { return false };
    let above = || lines[..at].iter().rev().map(|line| line.trim_start());
    let attributes = || above().take_while(|line| line.starts_with('#') || line.starts_with("//"));
    let tests = ["#[test]", "#[tokio::test", "#[async_std::test"];
    attributes().any(|line| tests.iter().any(|test| line.starts_with(test)))
        && !attributes().any(|line| line.starts_with("#[ignore"))
}

fn page() -> String {
    fs::read_to_string(PAGE).unwrap()
}

#[test]
fn every_row_names_what_is_there() {
    let found = problems(&Tree::default(), &page());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_source_has_rows() {
    let page = page();
    let rows = rows(&page);
    let have: BTreeSet<&str> = rows.iter().filter_map(|row| source(row.cells[0])).collect();
    let missing: Vec<_> = SOURCES.iter().filter(|name| !have.contains(*name)).collect();
    assert!(missing.is_empty(), "no row of {missing:?}");
}

/// Numbers behind "RFC " in a text.
fn cited(text: &str) -> impl Iterator<Item = &str> {
    text.split("RFC ").skip(1).filter_map(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then(|| &rest[..digits])
    })
}

#[test]
fn every_rfc_that_the_core_cites_is_on_the_page() {
    let page = page();
    let rows = rows(&page);
    let mut known: BTreeSet<&str> = cited(&page).collect();
    known.extend(rows.iter().filter_map(|row| source(row.cells[0])));
    let mut sources = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut read = 0;
    while let Some(path) = sources.pop() {
        if path.is_dir() {
            sources.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for number in cited(&text) {
            assert!(known.contains(number), "{} cites RFC {number}, docs/rfc.md does not", path.display());
            read += 1;
        }
    }
    assert!(read > 100, "only {read} citations found");
}

// ---- the check is checked ----------------------------------------------------------------------------------

const RIGHT: &str = "| 5321 §4.1.2 | A path has brackets. | `smtp-proto/src/wire/grammar.rs` `path`; \
    `smtp-proto/src/wire/path.rs` `Mailbox::parse`, `ReversePath::Null` \
    | `smtp-proto/tests/addresses.rs` `every_row_means_what_it_says`, \
    `smtp-proto/tests/vectors/addresses.json` `A001`, `A002..A010`; `smtp-proto/tests/transcripts/basic.txt` |";

/// What is replaced in the right row, by what, and what the check must say.
const WRONG: &[(&str, &str, &str)] = &[
    ("| 5321 §4.1.2 |", "|", "3 cells, not 4"),
    ("A path has brackets.", "", "an empty cell"),
    ("A path has", "A path | has", "5 cells, not 4"),
    ("5321 §4.1.2", "5321", "is no source"),
    ("5321 §4.1.2", "5321 4.1.2", "is no source"),
    ("5321 §4.1.2", "NOBODY", "is no source"),
    ("5321 §4.1.2", "5322 §3.2", "5322 stands under"),
    ("wire/path.rs", "wire/paths.rs", "no file smtp-proto/src/wire/paths.rs"),
    ("`Mailbox::parse`", "`Mailbox::pars`", "does not define Mailbox::pars"),
    ("`Mailbox::parse`", "`Domain::parse`", "does not define Domain::parse"),
    ("`ReversePath::Null`", "`ReversePath::Nul`", "does not define ReversePath::Nul"),
    ("`ReversePath::Null`", "`Mailbox::Null`", "does not define Mailbox::Null"),
    (" `path`", " `delimited`", "does not define delimited"),
    (" `path`", "", "nothing of smtp-proto/src/wire/grammar.rs is named"),
    (" `path`", " path", "`path;` is neither file nor name"),
    ("`smtp-proto/src/wire/grammar.rs` ", "", "no file before `path`"),
    ("tests/addresses.rs", "tests/address.rs", "no file smtp-proto/tests/address.rs"),
    ("`every_row_means_what_it_says`", "`every_row_means`", "has no test every_row_means"),
    ("`every_row_means_what_it_says`", "`octets`", "has no test octets"),
    ("`every_row_means_what_it_says`", "`SAME`", "has no test SAME"),
    ("`A001`", "`A999`", "no row A999"),
    ("`A002..A010`", "`A002..A999`", "no row A999"),
    ("`A001`, `A002..A010`", "", "no row is named"),
    ("addresses.json", "replies.json", "no row A001"),
    ("basic.txt", "basics.txt", "no file smtp-proto/tests/transcripts/basics.txt"),
    ("smtp-proto/tests/transcripts/basic.txt", "smtp-proto/Cargo.toml", "is no test"),
    ("`smtp-proto/tests/addresses.rs` `every_row_means_what_it_says`, ", "", "plays it"),
    ("tests/addresses.rs` `every_row_means_what_it_says`", "tests/addresses.rs`", "no test of"),
];

fn page_of(row: &str) -> String {
    format!("## RFC 5321: SMTP\n\n| source | requirement | code | test |\n|---|---|---|---|\n{row}\n")
}

#[test]
fn a_wrong_row_is_found() {
    let tree = Tree::default();
    assert_eq!(problems(&tree, &page_of(RIGHT)), [""; 0], "the right row is right");
    for (part, other, says) in WRONG {
        assert_eq!(RIGHT.matches(part).count(), 1, "{part} is once in the row");
        let found = problems(&tree, &page_of(&RIGHT.replace(part, other)));
        assert!(matches!(&found[..], [one] if one.contains(says)), "{part} -> {other}: {found:?}");
    }
}

#[test]
fn a_wrong_page_is_found() {
    let right = page_of(RIGHT);
    let not_yet = right.replace("RFC 5321: SMTP", NOT_YET);
    let rows: &[(&str, &str, &str)] = &[
        (
            &right.replace(RIGHT, &format!("{RIGHT}\n{RIGHT}")),
            "the same requirement twice",
            "two rows of one",
        ),
        (&not_yet, "4 cells, not 3", "what is met stands among what is not"),
        (
            &not_yet.replace(RIGHT, "| 5321 §5 | Mail is relayed. | |"),
            "an empty cell",
            "nothing is said of it",
        ),
        (&not_yet.replace(RIGHT, "| SMTP | Mail is relayed. | No. |"), "is no source", "no source"),
    ];
    let tree = Tree::default();
    for (page, says, why) in rows {
        let found = problems(&tree, page);
        assert!(matches!(&found[..], [one] if one.contains(says)), "{why}: {found:?}");
    }
    let line = "| 5321 §5 | Mail is relayed. | No. |";
    assert_eq!(problems(&tree, &not_yet.replace(RIGHT, line)), [""; 0], "and this one is right");
}
