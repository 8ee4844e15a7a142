//! What retention will do with each backup, for pages: the plan of the next run, made from a listing.

use std::collections::BTreeMap;

use backup_core::repository::{BackupId, Catalog};
use backup_core::storage::Clock;
use backup_daemon::{Fate, KeepPolicy, KeepRule, RetentionView};
use chrono::{DateTime, Utc};

use super::{doubt, judged_candidates};
use crate::config::TargetConfig;
use crate::retention::{Authority, Forecast, Line, RetentionPolicy, Verdict, plan};
use crate::standing::StandingRule;

/// What retention goes by, and what it would do at `now` with each backup of the kind that `config` makes. It speaks for
/// no other kind.
pub(crate) fn preview(
    config: &TargetConfig,
    catalog: &Catalog,
    clock: Clock,
    now: DateTime<Utc>,
) -> (RetentionView, BTreeMap<BackupId, Fate>) {
    let rule = StandingRule::of(&config.timing, config.size_rule.max_shrink_percent, now);
    let (sizes, candidates) = judged_candidates(catalog, config.dump.kind(), &config.size_rule, &rule);
    let doubt = doubt(config, clock, catalog, &[sizes], now);
    let candidates: Vec<_> = candidates.into_iter().map(|(_, candidate)| candidate).collect();
    // Not that of a commit: there was none since this listing.
    let plan = plan(&candidates, now, &config.retention, &Authority::Operator, doubt);
    let forecast = Forecast::new(&plan, &config.retention, &config.timing.schedule, now);
    let fates = plan.lines.iter().filter_map(|line| Some((BackupId::parse(&line.id)?, fate(line, &forecast))));
    let fates = fates.collect();
    let refused = plan.refused.as_ref().map(ToString::to_string);
    (RetentionView { policy: policy(&config.retention), refused }, fates)
}

fn fate(line: &Line, forecast: &Forecast) -> Fate {
    match &line.verdict {
        Verdict::Keep(reasons) => {
            let rules = reasons.iter().map(|reason| KeepRule { rule: reason.rule(), label: reason.to_string() });
            Fate::Keep { rules: rules.collect(), until: forecast.end_of(line) }
        }
        Verdict::Delete => Fate::Delete,
        Verdict::Deferred => Fate::Later,
    }
}

fn policy(policy: &RetentionPolicy) -> KeepPolicy {
    KeepPolicy {
        days: policy.keep_days,
        last: policy.keep_last,
        daily: policy.keep_daily,
        weekly: policy.keep_weekly,
        monthly: policy.keep_monthly,
        yearly: policy.keep_yearly,
        max_deletes: policy.max_deletes,
    }
}
