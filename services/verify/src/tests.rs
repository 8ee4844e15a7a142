use super::*;

const ID: &str = "20261122T030000Z-calpt5zmzst5hrp2";

fn parse(line: &str) -> Result<Option<Command>, i32> {
    let arguments = Arguments::try_parse_from(line.split_whitespace());
    arguments.map(|arguments| arguments.command).map_err(|error| error.exit_code())
}

#[track_caller]
fn check_choice(line: &str, habit: &Habit, expected: &Wanted) {
    let Ok(Some(Command::Run { choice, .. })) = parse(line) else { panic!("{line} is no run") };
    assert_eq!(choice.wanted(habit), *expected, "{line}");
}

#[test]
fn the_command_line_wins_over_the_habit() {
    let newest = Habit::Newest { random_every: 1 };
    let named = BackupId::parse(ID).unwrap();
    check_choice("verify run", &newest, &Wanted::Newest);
    check_choice("verify run", &Habit::Random, &Wanted::Random);
    check_choice("verify run", &Habit::Always(named.clone()), &Wanted::Named(named.clone()));
    for habit in [newest, Habit::Random, Habit::Always(named.clone())] {
        check_choice("verify run --latest", &habit, &Wanted::Newest);
        check_choice("verify run --oldest", &habit, &Wanted::Oldest);
        check_choice("verify run --random", &habit, &Wanted::Random);
        check_choice(&format!("verify run --backup {ID}"), &habit, &Wanted::Named(named.clone()));
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
