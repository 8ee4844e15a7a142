//! Which format an address wants, and which messages go there.

use backup_core::repository::Word;
use backup_core::secret::Secret;
use lettre::message::Mailbox;
use reqwest::Url;

use super::message::{Message, Occasion};

/// The form of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Slack, and what takes the same: Mattermost, Rocket.Chat.
    Slack(Dialect),
    Discord,
    Teams,
    Telegram,
    Ntfy,
    PagerDuty,
    GoogleChat,
    /// A Standard Webhook.
    Json,
}

/// How a receiver of Slack's format takes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Slack itself: markup can be switched off.
    Slack,
    /// Others always take text as Markdown.
    Markdown,
}

/// What Microsoft has retired, and what to do.
const RETIRED: &str = "is a connector of Microsoft Teams (webhook.office.com), which Microsoft has retired; make a workflow \
                       in Teams that posts to a channel when a webhook request is received, and use its URL";

const POWER_AUTOMATE: [&str; 3] = [".logic.azure.com", ".powerplatform.com", ".powerautomate.com"];

impl Format {
    pub(super) const ALL: [Self; 8] = [
        Self::Slack(Dialect::Markdown),
        Self::Discord,
        Self::Teams,
        Self::Telegram,
        Self::Ntfy,
        Self::PagerDuty,
        Self::GoogleChat,
        Self::Json,
    ];

    /// The word before the `+` of a scheme, and in the log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
            Self::Telegram => "telegram",
            Self::Ntfy => "ntfy",
            Self::PagerDuty => "pagerduty",
            Self::GoogleChat => "google-chat",
            Self::Json => "json",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }

    /// The format that the owner of `host` wants at `path`.
    ///
    /// # Errors
    /// If messages no longer arrive there.
    pub(super) fn of_host(host: &str, path: &str) -> Result<Self, &'static str> {
        let is_below =
            |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        if is_below("webhook.office.com") {
            return Err(RETIRED);
        }
        Ok(match host {
            "hooks.slack.com" | "hooks.slack-gov.com" => Self::Slack(Dialect::Slack),
            "api.telegram.org" => Self::Telegram,
            "ntfy.sh" => Self::Ntfy,
            "events.pagerduty.com" | "events.eu.pagerduty.com" => Self::PagerDuty,
            "chat.googleapis.com" => Self::GoogleChat,
            _ if ["discord.com", "discordapp.com"].into_iter().any(is_below) && path.starts_with("/api/webhooks/") => {
                Self::Discord
            }
            _ if POWER_AUTOMATE.iter().any(|end| host.ends_with(end)) => Self::Teams,
            _ => Self::Json,
        })
    }
}

/// Which messages a channel wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filter {
    failure: bool,
    recovery: bool,
    success: bool,
    summary: bool,
}

impl Filter {
    /// What is wrong, what is in order again, and the message of life, if there is one.
    pub(super) const DEFAULT: Self = Self { failure: true, recovery: true, success: false, summary: true };

    /// The default, and runs that succeed.
    pub(super) const ALL: Self = Self { success: true, ..Self::DEFAULT };

    /// Of the part of an address after its `#`.
    pub(super) fn parse(fragment: &str) -> Result<Self, String> {
        const PROBLEM: &str = "has something after # that is not on= with words of: failure, recovery, success, \
                               summary";
        let words = fragment.trim().strip_prefix("on=").ok_or(PROBLEM)?;
        let mut filter = Self { failure: false, recovery: false, success: false, summary: false };
        for word in words.split(',') {
            match word.trim() {
                "failure" => filter.failure = true,
                "recovery" => filter.recovery = true,
                "success" => filter.success = true,
                "summary" => filter.summary = true,
                _ => return Err(PROBLEM.to_owned()),
            }
        }
        Ok(filter)
    }

    /// The words that it was made of.
    #[cfg(test)]
    pub(super) fn words(&self) -> Vec<&'static str> {
        let words = [
            (self.failure, "failure"),
            (self.recovery, "recovery"),
            (self.success, "success"),
            (self.summary, "summary"),
        ];
        words.into_iter().filter(|(takes, _)| *takes).map(|(_, word)| word).collect()
    }

    fn takes(self, occasion: Occasion) -> bool {
        match occasion {
            Occasion::Onset
            | Occasion::Worse
            | Occasion::Reminder
            | Occasion::Unstable { .. }
            | Occasion::Digest { .. } => self.failure,
            Occasion::Resolved => self.recovery,
            Occasion::Success => self.success,
            Occasion::Summary { .. } => self.summary,
            Occasion::Test => true,
        }
    }
}

/// Where messages go.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    /// What the log calls it: its kind, with a number if there are several of it.
    pub(crate) name: String,
    pub(crate) route: Route,
    /// `None`: what the process wants.
    pub(crate) filter: Option<Filter>,
}

/// How messages reach a channel.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    /// A POST.
    Webhook(Webhook),
    /// A mail to this address, through the mail server of the process.
    Mail(Mailbox),
}

/// A receiver of POSTs.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    pub(crate) format: Format,
    pub(crate) url: Secret,
    /// A topic of ntfy, a routing key of PagerDuty.
    pub(crate) key: Secret,
}

/// The name of channels that are addresses of mail.
const MAIL: &str = "mail";

/// Where PagerDuty takes events.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

impl Channel {
    /// Its name in keys.
    pub(super) fn key_word(&self) -> Word {
        Word::of(&self.name)
    }

    /// One at `url`.
    ///
    /// # Errors
    /// What the URL lacks. It is not quoted.
    pub(super) fn new(format: Format, url: &Url, filter: Option<Filter>) -> Result<Self, String> {
        let mut url = url.clone();
        let key = match format {
            Format::Telegram => {
                if !url.query_pairs().any(|(name, value)| name == "chat_id" && !value.is_empty()) {
                    return Err(
                        "is Telegram's and has no chat_id; its form is .../bot<token>/sendMessage?chat_id=<id>"
                            .to_owned(),
                    );
                }
                if !url.path().ends_with("/sendMessage") {
                    return Err("is Telegram's and has another method than sendMessage".to_owned());
                }
                String::new()
            }
            Format::Ntfy => {
                let path = url.path().trim_end_matches('/').to_owned();
                let (base, topic) = path.rsplit_once('/').unwrap_or_default();
                if topic.is_empty() {
                    return Err("is ntfy's and has no topic; its form is https://ntfy.sh/<topic>".to_owned());
                }
                url.set_path(&format!("{base}/"));
                topic.to_owned()
            }
            Format::PagerDuty => {
                let key =
                    url.query_pairs().find(|(name, _)| name == "routing_key").map(|(_, value)| value.into_owned());
                url.set_query(None);
                key.filter(|key| !key.is_empty())
                    .ok_or("is PagerDuty's and has no routing_key; its form is pagerduty://<integration key>")?
            }
            Format::Slack(_) | Format::Discord | Format::Teams | Format::GoogleChat | Format::Json => String::new(),
        };
        Ok(Self::posted(Webhook { format, url: Secret::new(url.into()), key: Secret::new(key) }, filter))
    }

    /// One of PagerDuty with this key.
    ///
    /// # Errors
    /// If it is not one.
    pub(super) fn page(key: &str, filter: Option<Filter>) -> Result<Self, String> {
        let key = key.trim_end_matches('/');
        if key.is_empty() || !key.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            return Err("is PagerDuty's and has no key; its form is pagerduty://<integration key>".to_owned());
        }
        let (url, key) = (Secret::new(PAGERDUTY.to_owned()), Secret::new(key.to_owned()));
        Ok(Self::posted(Webhook { format: Format::PagerDuty, url, key }, filter))
    }

    fn posted(webhook: Webhook, filter: Option<Filter>) -> Self {
        Self { name: webhook.format.word().to_owned(), route: Route::Webhook(webhook), filter }
    }

    /// One that is the mailbox of a person or a group.
    pub(super) fn mail(to: Mailbox, filter: Option<Filter>) -> Self {
        Self { name: MAIL.to_owned(), route: Route::Mail(to), filter }
    }

    /// What kind of channel it is.
    pub(super) fn word(&self) -> &'static str {
        match &self.route {
            Route::Webhook(webhook) => webhook.format.word(),
            Route::Mail(_) => MAIL,
        }
    }

    /// Whether people read what arrives there. Programs know incidents by their keys, and want each of them.
    pub(super) fn is_for_people(&self) -> bool {
        !self.takes_format(Format::PagerDuty) && !self.takes_format(Format::Json)
    }

    /// Whether it takes webhooks of this format.
    pub(super) fn takes_format(&self, format: Format) -> bool {
        matches!(&self.route, Route::Webhook(webhook) if webhook.format == format)
    }

    /// Whether `message` goes there, by its own filter or by that of the process. A page is for what needs a person now.
    pub(crate) fn wants(&self, message: &Message, default: Filter) -> bool {
        let is_page_of_life =
            self.takes_format(Format::PagerDuty) && matches!(message.occasion, Occasion::Summary { .. });
        !is_page_of_life && self.filter.unwrap_or(default).takes(message.occasion)
    }
}

/// Gives each of `channels` a name of its own.
pub(super) fn number(channels: &mut [Channel]) {
    for at in (0..channels.len()).rev() {
        let word = channels[at].word();
        let before = channels[..at].iter().filter(|channel| channel.word() == word).count();
        if before > 0 {
            channels[at].name = format!("{word} {}", before + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::tests::message;
    use super::*;

    #[test]
    fn a_filter_takes_what_it_names() {
        let of = |occasion| Message { occasion, ..message("app", "why") };
        let url = Url::parse("https://example.com/x").unwrap();
        let channel = |filter: Option<&str>| {
            Channel::new(Format::Json, &url, filter.map(|words| Filter::parse(words).unwrap())).unwrap()
        };
        let summary = Occasion::Summary { succeeded: 1, failed: 0 };
        let page = Channel::page("0123456789", None).unwrap();
        assert!(page.wants(&of(Occasion::Onset), Filter::ALL) && !page.wants(&of(summary), Filter::ALL));
        for (filter, default, expected) in [
            (None, Filter::DEFAULT, [true, true, false, true, true]),
            (None, Filter::ALL, [true, true, true, true, true]),
            (Some("on=recovery"), Filter::ALL, [false, true, false, true, false]),
            (Some("on=success,failure"), Filter::DEFAULT, [true, false, true, true, false]),
            (Some("on=summary"), Filter::DEFAULT, [false, false, false, true, true]),
        ] {
            let occasions = [Occasion::Reminder, Occasion::Resolved, Occasion::Success, Occasion::Test, summary];
            assert_eq!(occasions.map(|occasion| channel(filter).wants(&of(occasion), default)), expected, "{filter:?}");
        }
    }

    #[test]
    fn the_address_of_ntfy_is_its_server_and_the_topic_is_apart() {
        let url = Url::parse("https://example.com/ntfy/alerts").unwrap();
        let channel = Channel::new(Format::Ntfy, &url, None).unwrap();
        let Route::Webhook(webhook) = channel.route else { panic!("it is a URL") };
        assert_eq!((webhook.url.expose(), webhook.key.expose()), ("https://example.com/ntfy/", "alerts"));
    }

    #[test]
    fn channels_of_one_format_have_numbers() {
        let url = Url::parse("https://example.com/x").unwrap();
        let channel = |format| Channel::new(format, &url, None).unwrap();
        let mut channels = [channel(Format::Json), channel(Format::Discord), channel(Format::Json)];
        number(&mut channels);
        assert_eq!(channels.map(|channel| channel.name), ["json", "discord", "json 2"]);
    }
}
