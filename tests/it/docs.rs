//! The reference in `docs/` is what the program writes.

use snapbox::assert_data_eq;
use snapbox::cmd::{Command, cargo_bin};
use snapbox::file;

#[test]
fn reference_pages_are_up_to_date() {
    let dir = tempfile::tempdir().expect("a directory");
    Command::new(cargo_bin("tootstrap")).arg("docs").arg(dir.path()).assert().success();
    let page = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("a page");
    assert_data_eq!(page("settings.md"), file!["../../docs/settings.md"].raw());
    assert_data_eq!(page("cli.md"), file!["../../docs/cli.md"].raw());
}

/// Every `path::name` in backticks.
fn named_tests(page: &str) -> Vec<(&str, &str)> {
    page.split('`').skip(1).step_by(2).filter_map(|word| word.split_once("::")).filter(|(path, _)| path.contains('/')).collect()
}

#[test]
fn the_tests_that_the_tour_names_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let pains = std::fs::read_to_string(root.join("tests/e2e/pains.md")).expect("the table");
    let tour = std::fs::read_to_string(root.join("docs/tour.md")).expect("the tour");
    assert!(tour.contains(pains.trim()), "`make tour` writes docs/tour.md again");
    for number in [1, 3, 4, 5, 6, 7, 9, 11, 13, 14, 16, 17, 19, 23, 24, 25] {
        let row = pains.lines().find(|line| line.starts_with(&format!("| {number} |"))).expect("a row of this number");
        let tests = named_tests(row);
        assert!(!tests.is_empty(), "{row}");
        for (path, name) in tests {
            let text = std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(
                [format!("def {name}("), format!("fn {name}(")].iter().any(|head| text.contains(head.as_str())),
                "{path} has no {name}"
            );
        }
    }
}

/// What a page links to or shows that lies beside it.
fn targets(page: &str) -> impl Iterator<Item = &str> {
    let links = page.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let pictures = page.split("src=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    let paths = links.chain(pictures).map(|(target, _)| target.split('#').next().unwrap_or_default());
    paths.filter(|path| !path.is_empty() && !path.contains("://"))
}

#[test]
fn what_the_pages_link_to_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let of = |dir: &std::path::Path| std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut seen = 0;
    for path in of(root).chain(of(&root.join("docs"))).filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let page = std::fs::read_to_string(&path).expect("a page");
        for target in targets(&page) {
            seen += 1;
            assert!(path.with_file_name(target).exists(), "{} links to {target}, which is not there", path.display());
        }
    }
    assert!(seen > 20, "only {seen} links were found");
}
