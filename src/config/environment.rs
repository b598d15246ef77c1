//! The environment laid over the file: `CPM_BRIDGE__` and the key's path, its parts joined by `__`.
//!
//! A value is a TOML value (`143`, `true`, `["tel", "sip"]`) or, where the key wants text or it is no TOML, the text itself.

use std::{cmp::Ordering, env};

use toml::{Table, Value};

use super::{Config, Error, error};

const PREFIX: &str = "CPM_BRIDGE__";

/// One variable of ours.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

impl Variable {
    fn path(&self) -> Vec<String> {
        let path = self.name.strip_prefix(PREFIX).unwrap_or(&self.name);
        path.split("__").map(str::to_ascii_lowercase).collect()
    }

    fn error(&self, reason: impl Into<String>) -> Error {
        Error::Environment {
            variable: self.name.clone(),
            reason: reason.into(),
        }
    }
}

/// All variables of the process that begin with our prefix.
pub(super) fn variables() -> Result<Vec<Variable>, Error> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok(Variable { name, value }),
            Err(_) => Err(Error::Environment {
                variable: name,
                reason: "not UTF-8".to_owned(),
            }),
        })
        .collect()
}

/// Sets what the variables say. The file alone is known to be good, so the variable after which it no longer is, is
/// the one to name.
pub(super) fn overlay(mut table: Table, mut variables: Vec<Variable>) -> Result<Config, Error> {
    variables.sort_by(|one, other| in_order(&one.path(), &other.path()));
    let mut config = Config::default();
    for variable in &variables {
        (table, config) = apply(&table, variable)?;
    }
    Ok(config)
}

fn apply(table: &Table, variable: &Variable) -> Result<(Table, Config), Error> {
    let text = Value::String(variable.value.clone());
    let typed: Option<Value> = variable.value.parse().ok();
    let mut first_mistake = None;
    for value in typed.into_iter().chain([text]) {
        let mut root = Value::Table(table.clone());
        set(&mut root, &variable.path(), value).map_err(|reason| variable.error(reason))?;
        let Value::Table(changed) = root else {
            return Err(variable.error("names no key"));
        };
        match changed.clone().try_into() {
            Ok(config) => return Ok((changed, config)),
            Err(mistake) => first_mistake = first_mistake.or(Some(mistake)),
        }
    }
    let reason = first_mistake.map_or_else(String::new, |mistake| error::reason(&mistake));
    Err(variable.error(reason))
}

/// Puts a value where the path leads, making sections and list entries on the way.
fn set(at: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    let [part, rest @ ..] = path else {
        *at = value;
        return Ok(());
    };
    let empty = || match rest.first() {
        Some(next) if next.parse::<usize>().is_ok() => Value::Array(Vec::new()),
        _ => Value::Table(Table::new()),
    };
    match at {
        Value::Table(table) => set(
            table.entry(part.as_str()).or_insert_with(empty),
            rest,
            value,
        ),
        Value::Array(entries) => {
            let index: usize = part
                .parse()
                .map_err(|_| format!("`{part}` is no index of a list"))?;
            let length = entries.len();
            if index == length {
                entries.push(empty());
            }
            let entry = entries
                .get_mut(index)
                .ok_or_else(|| format!("index {index}, but the list has {length} entries"))?;
            set(entry, rest, value)
        }
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => Err(format!("there is nothing named `{part}` inside a value")),
    }
}

/// By path, indexes by number: entry 10 of a list is set after entry 9.
fn in_order(one: &[String], other: &[String]) -> Ordering {
    let key = |part: &String| (part.parse::<usize>().ok(), part.clone());
    one.iter().map(key).cmp(other.iter().map(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[[stores]]\nname = \"cpm\"\nhost = \"a.test\"\n";

    fn with(variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables
            .iter()
            .map(|(name, value)| Variable {
                name: format!("{PREFIX}{name}"),
                value: (*value).to_owned(),
            })
            .collect();
        Config::assemble(FILE, variables).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_win_over_the_file_and_over_defaults() {
        let config = with(&[
            ("STORES__0__HOST", "b.test"),
            ("STORES__0__PORT", "143"),
            ("STORES__0__TLS", "off"),
            ("STORES__0__SCHEMES", "[\"tel\", \"sip\"]"),
            ("STORES__0__LOGIN", "{box}"),
            ("HTTP__LISTEN", "0.0.0.0:80"),
            ("HTTP__TLS__CERTIFICATE", "c.pem"),
            ("HTTP__TLS__KEY", "k.pem"),
        ])
        .unwrap();
        assert_eq!(config.stores[0].host, "b.test");
        assert_eq!(config.stores[0].port, 143);
        assert_eq!(config.stores[0].schemes, ["tel", "sip"]);
        assert_eq!(config.stores[0].name, "cpm");
        assert_eq!(config.http.listen.port(), 80);
        assert_eq!(config.http.tls.unwrap().key.to_str(), Some("k.pem"));
    }

    #[test]
    fn a_text_key_takes_what_looks_like_a_number() {
        assert_eq!(
            with(&[("STORES__0__NAME", "123")]).unwrap().stores[0].name,
            "123"
        );
    }

    #[test]
    fn list_entries_are_added_in_the_order_of_their_numbers() {
        let roots: Vec<(String, String)> = (0..12)
            .map(|n| (format!("STORES__0__ROOTS__{n}"), format!("root{n}")))
            .collect();
        let mut variables: Vec<(&str, &str)> = roots
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        variables.push(("STORES__0__DEFAULT_FOLDER", "root3"));
        variables.push(("STORES__1__NAME", "second"));
        variables.push(("STORES__1__HOST", "c.test"));
        let config = with(&variables).unwrap();
        assert_eq!(config.stores[0].roots[11], "root11");
        assert_eq!(config.stores[1].name, "second");
    }

    #[test]
    fn mistakes_name_their_variable() {
        for (name, value, part) in [
            ("HTTP__LISTN", "127.0.0.1:1", "unknown key `listn`"),
            ("HTTPS__LISTEN", "127.0.0.1:1", "unknown key `https`"),
            ("STORES__0__PORT", "70000", "u16"),
            ("STORES__0__PORT", "many", "u16"),
            ("STORES__2__HOST", "c.test", "the list has 1 entries"),
            ("STORES__FIRST__HOST", "c.test", "no index"),
            ("STORES__0__HOST__NAME", "c.test", "inside a value"),
            ("STORES", "cpm", "expected a sequence"),
        ] {
            let message = with(&[(name, value)]).unwrap_err();
            assert!(
                message.starts_with(&format!("{PREFIX}{name}: ")) && message.contains(part),
                "{message}"
            );
        }
    }

    #[test]
    fn a_valid_type_with_an_invalid_value_names_its_key() {
        assert_eq!(
            with(&[("STORES__0__PORT", "0")]).unwrap_err(),
            "stores[0].port: must not be 0"
        );
    }
}
