use super::*;

const ID: &str = "20261122T030000Z-calpt5zmzst5hrp2";

fn parse(line: &str) -> Result<Option<Command>, i32> {
    let arguments = Arguments::try_parse_from(line.split_whitespace());
    arguments.map(|arguments| arguments.command).map_err(|error| error.exit_code())
}

#[track_caller]
fn check_choice(line: &str, selection_policy: &SelectionPolicy, expected: &Selector) {
    let Ok(Some(Command::Run { choice, .. })) = parse(line) else { panic!("{line} is no run") };
    assert_eq!(choice.selector(selection_policy), *expected, "{line}");
}

#[test]
fn the_command_line_wins_over_the_habit() {
    let newest = SelectionPolicy::Newest { random_every: 1 };
    let named = BackupId::parse(ID).unwrap();
    check_choice("verify run", &newest, &Selector::Newest);
    check_choice("verify run", &SelectionPolicy::Random, &Selector::Random);
    check_choice("verify run", &SelectionPolicy::Always(named.clone()), &Selector::Named(named.clone()));
    for selection_policy in [newest, SelectionPolicy::Random, SelectionPolicy::Always(named.clone())] {
        check_choice("verify run --latest", &selection_policy, &Selector::Newest);
        check_choice("verify run --oldest", &selection_policy, &Selector::Oldest);
        check_choice("verify run --random", &selection_policy, &Selector::Random);
        check_choice(&format!("verify run --backup {ID}"), &selection_policy, &Selector::Named(named.clone()));
    }
}

#[test]
fn a_skipped_drill_is_a_success_only_if_the_command_line_says_so() {
    for (line, expected) in [("verify run", false), ("verify run --latest --skipped-is-success", true)] {
        let Ok(Some(Command::Run { skipped_is_success, .. })) = parse(line) else { panic!("{line} is no run") };
        assert_eq!(skipped_is_success, expected, "{line}");
    }
}

#[test]
fn bad_command_lines_exit_with_2() {
    for line in [
        "verify run --latest --oldest",
        "verify run --backup x",
        "verify show",
        "verify show newest",
        "verify restore",
        "verify restore latest --jobs 0",
        "verify roles",
        "verify roles newest",
        "verify drill",
    ] {
        assert_eq!(parse(line).err(), Some(i32::from(exit::USAGE)), "{line}");
    }
    assert!(parse("verify self-test").is_ok() && parse("verify show latest").is_ok());
}

#[test]
fn no_secret_of_the_command_line_can_be_printed_r070() {
    let line = "verify restore latest --to postgres://u:canary@h/d --no-proof";
    let Ok(Some(Command::Restore(arguments))) = parse(line) else { panic!("{line} is no restore") };
    assert_eq!((format!("{:?}", arguments.to).as_str(), arguments.no_proof), ("Some(***)", true));
}
