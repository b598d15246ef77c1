//! What is taken that the contract does not have so: lists that are their one element, numbers and truth values in quotation
//! marks, containers that are an empty text (contract §2.2).

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, MapDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::Value;

/// A list of anything, or the one element of it (contract §2.2).
pub(super) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(List(PhantomData))
}

/// The same for a list whose absence means something else than its being empty.
pub(super) fn list_if_any<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    list(deserializer).map(Some)
}

/// A list of containers, each taken as [`members`] takes one.
pub(super) fn list_of_members<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let containers: Vec<Container<T>> = list(deserializer)?;
    Ok(containers.into_iter().map(|Container(one)| one).collect())
}

/// A container of members. A bare list is refused: serde would take its elements for the members, one after the other.
pub(super) fn members<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_any(Members(PhantomData))
}

/// A list of texts; numbers and booleans are taken as they are written.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(deserializer)?.into_iter().map(written).collect()
}

/// The same, where it is worth knowing that there is none.
pub(super) fn members_if_any<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    members(deserializer).map(Some)
}

/// A text that counts as absent when it is empty.
pub(super) fn text_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A text; a number or a truth value is taken as it is written.
pub(super) fn scalar_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    written(Value::deserialize(deserializer)?).map(Some)
}

/// A whole number, also in quotation marks; beyond what can be counted it is as much as can be.
pub(super) fn number_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    // More than 64 bits: serde_json has it as a floating-point number.
    if let Some(number) = value.as_f64().filter(|number| is_huge(*number)) {
        return Ok(Some(if number < 0.0 { i64::MIN } else { i64::MAX }));
    }
    let text: String = written(value)?;
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(de::Error::custom("expected a whole number"));
    }
    let most = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    Ok(Some(text.parse().unwrap_or(most)))
}

/// The same, and not below nothing.
pub(super) fn count_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    count(deserializer).map(Some)
}

/// The same for what must be there.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = number_if_any(deserializer)?.and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| de::Error::custom("expected a number that is not negative"))
}

/// Beyond what 63 bits can count, and so without a fraction.
fn is_huge(number: f64) -> bool {
    number.abs() >= 9.3e18
}

/// A truth value, also in quotation marks, in any case, and as XML Schema has it.
pub(super) fn truth_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    let text: String = written(Value::deserialize(deserializer)?)?;
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(Some(true)),
        "false" | "0" => Ok(Some(false)),
        _ => Err(de::Error::custom("expected true or false")),
    }
}

fn written<E: de::Error>(value: Value) -> Result<String, E> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(de::Error::custom("expected text")),
    }
}

struct Container<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Container<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        members(deserializer).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("members")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }

    /// What an empty element of XML holds.
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        if !text.trim().is_empty() {
            return Err(E::invalid_type(de::Unexpected::Str(text), &self));
        }
        let none = std::iter::empty::<(String, String)>();
        T::deserialize(MapDeserializer::new(none))
    }
}

struct List<T>(PhantomData<T>);

/// The one element, given as one of serde's scalars.
macro_rules! one {
    ($visit:ident, $scalar:ty) => {
        fn $visit<E: de::Error>(self, value: $scalar) -> Result<Self::Value, E> {
            T::deserialize(value.into_deserializer()).map(|one| vec![one])
        }
    };
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list or one element of it")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(|one| vec![one])
    }

    one!(visit_bool, bool);
    one!(visit_i64, i64);
    one!(visit_u64, u64);
    one!(visit_f64, f64);
    one!(visit_string, String);
    one!(visit_str, &str);
}
