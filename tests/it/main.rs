//! What can be tested from outside without root and without network: the command line, its reference pages, the ways in.
#![expect(clippy::disallowed_methods, reason = "tests run programs and write files of their own")]

mod compose;
mod dist;
mod docs;
mod hostile;
mod motd;
mod ways_in;

#[test]
fn the_command_line_says() {
    trycmd::TestCases::new().case("tests/it/cli/*.trycmd");
}
