//! `[notifications]`: how clients hear of changes.

use serde::Deserialize;

use super::{CallbackTarget, Error, StoreConfig, callback, sections::within};

/// How clients hear of changes (`[notifications]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationsConfig {
    /// Longest wait of a long poll, seconds.
    pub long_poll: u64,
    /// What a client's own notifyURL may name; nothing unless listed.
    #[serde(deserialize_with = "callback::list")]
    pub callback_allow: Vec<CallbackTarget>,
    /// The store whose credentials open channels; the first one if there is none.
    pub channel_store: Option<String>,
    /// Seconds after which IDLE is begun anew (RFC 2177 §3: within 29 minutes).
    pub idle: u64,
    /// Longest interval between two looks at a store that does not push, seconds.
    pub poll: u64,
    /// Most event lists in one answer to a poll.
    pub lists: usize,
}

impl Default for NotificationsConfig {
    fn default() -> Self {
        Self {
            long_poll: 50,
            callback_allow: Vec::new(),
            channel_store: None,
            idle: 300,
            poll: 60,
            lists: 1,
        }
    }
}

impl NotificationsConfig {
    pub(super) fn validate(&self, stores: &[StoreConfig]) -> Result<(), Error> {
        within("notifications.long_poll", self.long_poll, 1..=300)?;
        within("notifications.idle", self.idle, 1..=1740)?;
        within("notifications.poll", self.poll, 5..=3600)?;
        within("notifications.lists", self.lists, 1..=100)?;
        match &self.channel_store {
            Some(name) if !stores.iter().any(|store| store.name == *name) => Err(Error::value(
                "notifications.channel_store",
                format!("there is no store {name:?}"),
            )),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Host, Ports};

    const STORE: &str = "[[stores]]\nname = \"cpm\"\nhost = \"127.0.0.1\"\n";

    fn with(line: &str) -> Result<super::NotificationsConfig, String> {
        Config::from_toml(&format!("[notifications]\n{line}\n{STORE}"))
            .map(|config| config.notifications)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nobody_is_called_unless_listed() {
        assert!(with("").unwrap().callback_allow.is_empty());
        let listed = with("callback_allow = [\"App.example.net\", \"127.0.0.1:*\"]").unwrap();
        let [name, address] = &*listed.callback_allow else {
            panic!("{listed:?}");
        };
        assert_eq!(name.host, Host::Name("app.example.net".to_owned()));
        assert_eq!((name.ports, address.ports), (Ports::OfScheme, Ports::Any));
    }

    #[test]
    fn a_wrong_entry_is_named_where_it_is() {
        for (line, expected) in [
            (
                "callback_allow = [\"a.example\", \"*.example\"]",
                "line 2, column 32: notifications.callback_allow[1]: expected a host name",
            ),
            (
                "callback_allow = [80]",
                "line 2, column 19: invalid type: integer `80`, expected a host name",
            ),
            (
                "callback_allow = \"a.example\"",
                "line 2, column 18: invalid type: string",
            ),
        ] {
            let message = with(line).unwrap_err();
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn values_out_of_range_name_their_key() {
        for (key, least, most) in [
            ("long_poll", 1, 300),
            ("idle", 1, 1740),
            ("poll", 5, 3600),
            ("lists", 1, 100),
        ] {
            for inside in [least, most] {
                with(&format!("{key} = {inside}")).unwrap();
            }
            for outside in [least - 1, most + 1] {
                let message = with(&format!("{key} = {outside}")).unwrap_err();
                let expected = format!("notifications.{key}: {outside} is not within");
                assert!(message.starts_with(&expected), "{message}");
            }
        }
    }

    #[test]
    fn channels_are_opened_by_a_store_that_is_there() {
        let named = with("channel_store = \"cpm\"").unwrap();
        assert_eq!(named.channel_store.as_deref(), Some("cpm"));
        assert_eq!(
            with("channel_store = \"other\"").unwrap_err(),
            "notifications.channel_store: there is no store \"other\""
        );
    }

    #[test]
    fn the_environment_adds_entries() {
        let variable = |name: &str, value: &str| super::super::environment::Variable {
            name: format!("CPM_BRIDGE__NOTIFICATIONS__{name}"),
            value: value.to_owned(),
        };
        let config = Config::assemble(STORE, vec![variable("CALLBACK_ALLOW__0", "a.example:1")]);
        let allowed = config.unwrap().notifications.callback_allow;
        assert_eq!(allowed[0].ports, Ports::Only(1));
        let mistake = Config::assemble(STORE, vec![variable("CALLBACK_ALLOW__0", "a/b")]);
        let mistake = mistake.unwrap_err().to_string();
        assert!(
            mistake.starts_with(
                "CPM_BRIDGE__NOTIFICATIONS__CALLBACK_ALLOW__0: notifications.callback_allow[0]: "
            ),
            "{mistake}"
        );
    }
}
