use backup_daemon::schedule::Schedule;

use super::*;

/// Runs go on by `cron` for `runs` more: each backup is kept until the time that the forecast told, and not longer.
#[track_caller]
fn check_forecast(cron: &str, candidates: Vec<Candidate>, policy: &RetentionPolicy, runs: usize) -> usize {
    let schedule = Schedule::cron(cron, backup_daemon::page::Tz::UTC).unwrap();
    let first = as_operator(&candidates, policy);
    let forecast = Forecast::new(&first, policy, &schedule, at(NOW));
    let mut kept: BTreeMap<String, Option<DateTime<Utc>>> =
        first.lines.iter().filter(|line| line.verdict != Verdict::Delete).map(|line| (line.id.clone(), None)).collect();
    let mut all = candidates;
    for tick in schedule.upcoming(runs, at(NOW)) {
        all.push(full(&tick.format("%Y-%m-%dT%H:%M:%SZ").to_string()));
        for line in plan(&all, tick, policy, &Authority::Operator, None).lines {
            if let (Verdict::Delete, Some(end @ None)) = (&line.verdict, kept.get_mut(&line.id)) {
                *end = Some(tick);
            }
        }
    }
    for line in first.lines.iter().filter(|line| kept.contains_key(&line.id)) {
        let told = forecast.end_of(line).map(|end| schedule.next_after(end - Duration::seconds(1)).unwrap());
        assert_eq!(told, kept[&line.id], "{} {:?}", line.id, line.verdict);
    }
    kept.len()
}

#[test]
fn a_forecast_tells_when_the_rules_will_let_each_backup_go() {
    let policy = RetentionPolicy { keep_days: 3, keep_last: 5, keep_daily: 8, keep_weekly: 3, ..NEWEST_ONLY };
    let policy = RetentionPolicy { keep_monthly: 2, keep_yearly: 1, ..policy };
    assert!(check_forecast("0 3 * * *", nights(60), &policy, 400) >= 10);
    assert!(check_forecast("0 3,15 * * *", nights(60), &policy, 800) >= 10);
    assert!(check_forecast("0 3 * * 1", nights(60), &policy, 60) >= 10);
    check_forecast("0 3 * * *", nights(3), &RetentionPolicy { keep_last: 2, ..NEWEST_ONLY }, 10);
}

#[test]
fn a_proven_backup_stays_until_a_drill_that_cannot_be_foreseen() {
    let mut backups = nights(3);
    backups[2] = proven(backups[2].clone());
    let plan = as_operator(&backups, &NEWEST_ONLY);
    let schedule = Schedule::cron("0 3 * * *", backup_daemon::page::Tz::UTC).unwrap();
    let forecast = Forecast::new(&plan, &NEWEST_ONLY, &schedule, at(NOW));
    let ends: Vec<_> = plan.lines.iter().map(|line| forecast.end_of(line)).collect();
    assert_eq!(ends, [Some(at("2026-11-23T03:00:00Z")), None, None]);
}
