//! What can be tested from outside without root and without network: the command line, its reference pages, the ways in.

mod docs;
mod motd;
mod ways_in;

#[test]
fn the_command_line_says() {
    trycmd::TestCases::new().case("tests/it/cli/*.trycmd");
}
