//! What is sent where, out of the environment.

use backup_core::config::{Kind, Settings, Variable};
use backup_core::proxies::Proxies;
use backup_core::scrub::Scrubber;
use backup_core::secret::Secret;
use backup_core::storage::Authorities;

use super::address;
use super::channel::{Channel, Filter, Format, number};
use super::format::{Credentials, SigningSecret};
use super::mail::{self, MailConfig, MailServer};
use super::message::Speaker;
use super::ping::PingTarget;
use super::summary::Rhythm;
use crate::config::time_zone;
use crate::deliveries::Deliveries;
use crate::schedule::Schedule;

/// The variables of messages, of both services.
pub static MESSAGE_VARIABLES: &[Variable] = &[
    Variable::new(
        "WEBHOOK_URL",
        Kind::Secret,
        "",
        "https://hooks.slack.com/services/T000/B000/XXXX",
        "Where messages go when something is wrong and when it is in order again: one URL or several, separated by commas or line breaks. See [alerts.md](alerts.md).",
    ),
    Variable::new(
        "WEBHOOK_SECRET",
        Kind::Secret,
        "",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "Signs messages to URLs that get Standard Webhooks: `whsec_` and 24 to 64 bytes in base64.",
    ),
    Variable::new(
        "WEBHOOK_ON_SUCCESS",
        Kind::Flag,
        "false",
        "true",
        "`true`: a message also for each run that succeeds. A URL with `#on=` decides for itself.",
    ),
    Variable::new(
        "NOTIFY_DIGEST",
        Kind::Choice(&["off", "daily", "weekly"]),
        "off",
        "weekly",
        "A message of life: `daily` at 08:00, `weekly` on Mondays at 08:00, by the clock of `TZ`.",
    ),
    Variable::new(
        "INSTANCE_NAME",
        Kind::Text,
        "",
        "shop, production",
        "What messages call this installation. If it is not set: Railway's names of project, environment and service, else the host.",
    ),
    Variable::new(
        "PUBLIC_URL",
        Kind::Text,
        "",
        "https://backup.example.com/",
        "Where people reach the pages of this service; messages link to it, and to the runbooks that it serves.",
    ),
    Variable::new(
        "HEALTHCHECK_PING_URL",
        Kind::Secret,
        "",
        "https://hc-ping.com/ping-key/{database}",
        "A monitor that notices if nothing comes any more: of healthchecks.io, of Uptime Kuma, or a URL to GET after each success. `{database}` becomes the name of the database. See [alerts.md](alerts.md#pings).",
    ),
    Variable::new(
        "HEALTHCHECK_PING_STYLE",
        Kind::Choice(&["auto", "healthchecks"]),
        "auto",
        "healthchecks",
        "`healthchecks`: the monitor takes the protocol of healthchecks.io under a host of your own. `auto`: the host tells.",
    ),
    Variable::new("NTFY_TOKEN", Kind::Secret, "", "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2", "Access token of ntfy."),
];

/// Where messages go and what they say of this process.
#[derive(Debug, Clone)]
pub struct NotifyConfig {
    pub(super) channels: Vec<Channel>,
    pub(super) credentials: Credentials,
    pub(super) mail: Option<MailServer>,
    pub(super) filter: Filter,
    /// When the message of life is sent, if it is.
    pub(super) summary: Option<Schedule>,
    pub(super) authorities: Authorities,
    pub(super) proxies: Proxies,
    pub(super) ping: Option<PingTarget>,
    deliveries: Deliveries,
    instance: String,
    public_url: Option<String>,
    /// What nothing may show besides the values of the variables themselves.
    secrets: Vec<Secret>,
}

impl NotifyConfig {
    /// Reads it; what is wrong is noted. Messages trust the authorities of the machine, and `authorities` besides, and go
    /// through `proxies`.
    pub(crate) fn read(settings: &mut Settings, authorities: Authorities, proxies: Proxies) -> Self {
        let text = settings.secret("WEBHOOK_URL").unwrap_or_else(|| Secret::new(String::new()));
        let mut channels = channels(settings, &text);
        let mail = mail::read(settings);
        let mut secrets = mail.as_ref().map(MailConfig::secrets).unwrap_or_default();
        let ntfy_token = settings.live_secret("NTFY_TOKEN");
        let signing = settings.parsed("WEBHOOK_SECRET", SigningSecret::parse);
        warn_of_the_useless(settings, &channels);
        let public_url = settings.parsed("PUBLIC_URL", public_url);
        let wants_healthchecks = settings.choice("HEALTHCHECK_PING_STYLE", [("auto", false), ("healthchecks", true)]);
        let ping = settings.parsed("HEALTHCHECK_PING_URL", |text| PingTarget::parse(text, wants_healthchecks));
        let ping_text = settings.secret("HEALTHCHECK_PING_URL").unwrap_or_else(|| Secret::new(String::new()));
        let mail = mail.map(|mail| {
            channels.extend(mail.channels);
            mail.server
        });
        number(&mut channels);
        secrets.extend([&text, &ping_text].into_iter().flat_map(|text| address::secrets(text.expose())));
        let filter = if settings.flag("WEBHOOK_ON_SUCCESS") { Filter::ALL } else { Filter::DEFAULT };
        let deliveries = Deliveries::to(channels.iter().map(|channel| channel.name.as_str()));
        Self {
            channels,
            credentials: Credentials { ntfy_token, signing },
            mail,
            filter,
            summary: summary(settings),
            authorities,
            proxies,
            ping,
            deliveries,
            instance: instance(settings),
            public_url,
            secrets,
        }
    }

    /// Whether there is any channel.
    pub fn is_used(&self) -> bool {
        !self.channels.is_empty()
    }

    /// What became of messages and pings of this process.
    pub fn deliveries(&self) -> Deliveries {
        self.deliveries.clone()
    }

    /// What nothing may show.
    pub(crate) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// What this instance is called, in messages and on the page.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Who speaks in messages of `service`.
    pub(super) fn speaker(&self, service: &'static str, scrubber: &Scrubber) -> Speaker {
        let (instance, public_url) = (self.instance.clone(), self.public_url.clone());
        Speaker { service, instance, public_url, scrubber: scrubber.clone() }
    }
}

fn channels(settings: &mut Settings, text: &Secret) -> Vec<Channel> {
    let addresses = match address::parse(text.expose()) {
        Ok(addresses) => addresses,
        Err(problem) => {
            settings.reject("WEBHOOK_URL", problem);
            return Vec::new();
        }
    };
    if addresses.iter().any(|address| address.is_exposed) {
        settings.warn("WEBHOOK_URL is plain http to a public address: messages travel unprotected; use https");
    }
    addresses.into_iter().map(|address| address.channel).collect()
}

fn warn_of_the_useless(settings: &mut Settings, channels: &[Channel]) {
    let has = |wanted: Format| channels.iter().any(|channel| channel.takes_format(wanted));
    for (name, format, what) in
        [("NTFY_TOKEN", Format::Ntfy, "ntfy"), ("WEBHOOK_SECRET", Format::Json, "a receiver of Standard Webhooks")]
    {
        if settings.is_set(name) && !has(format) {
            settings.warn(format!("{name} is set, and WEBHOOK_URL has no address of {what}"));
        }
    }
}

fn summary(settings: &mut Settings) -> Option<Schedule> {
    let rhythms = [("off", None), ("daily", Some(Rhythm::Daily)), ("weekly", Some(Rhythm::Weekly))];
    let rhythm = settings.choice("NOTIFY_DIGEST", rhythms)?;
    let schedule = rhythm.schedule(time_zone(settings));
    schedule.map_err(|error| settings.reject("NOTIFY_DIGEST", error.to_string())).ok()
}

fn public_url(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    // Paths are added to it, and channels take it for a link as it is.
    let is_plain = |rest: &str| {
        !rest.is_empty() && rest.chars().all(|letter| letter.is_alphanumeric() || "-._~%:/[]+=,;".contains(letter))
    };
    match rest {
        Some(rest) if is_plain(rest) && text.len() <= 200 => Ok(text.to_owned()),
        _ => Err("is not a plain http:// or https:// URL of at most 200 characters"),
    }
}

fn instance(settings: &Settings) -> String {
    if let Some(name) = settings.text("INSTANCE_NAME") {
        return name;
    }
    let railway = ["RAILWAY_PROJECT_NAME", "RAILWAY_ENVIRONMENT_NAME", "RAILWAY_SERVICE_NAME"];
    let names: Vec<String> = railway.into_iter().filter_map(|name| settings.of_platform(name)).collect();
    if !names.is_empty() {
        return names.join(", ");
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    host.filter(|name| !name.is_empty())
        .or_else(|| settings.of_platform("HOSTNAME"))
        .unwrap_or_else(|| "unknown".to_owned())
}
