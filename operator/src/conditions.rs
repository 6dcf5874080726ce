//! Conditions, by the Kubernetes API's conventions.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows now.
    Unknown,
}

impl Status {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A condition as decided, before it is compared with the one that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its type.
    pub type_: &'static str,
    /// Its status.
    pub status: Status,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// For people. Must not hold what changes by itself, or every change would be a write.
    pub message: String,
}

impl Wanted {
    /// A condition as decided.
    #[must_use]
    pub fn new(
        type_: &'static str,
        status: impl Into<Status>,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_,
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// What stands goes on standing: for a leader that has seen nothing yet to change it.
    #[must_use]
    pub fn unchanged(type_: &'static str, standing: &Condition) -> Self {
        let status = match standing.status.as_str() {
            "True" => Status::True,
            "False" => Status::False,
            _ => Status::Unknown,
        };
        Self::new(
            type_,
            status,
            standing.reason.clone(),
            standing.message.clone(),
        )
    }
}

/// The conditions to write: those wanted, in their order, with the time of their last transition.
#[must_use]
pub fn settle(
    standing: &[Condition],
    wanted: Vec<Wanted>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    wanted
        .into_iter()
        .map(|w| {
            let before = standing.iter().find(|c| c.type_ == w.type_);
            Condition {
                last_transition_time: before
                    .filter(|c| c.status == w.status.as_str())
                    .map_or(Time(now), |c| c.last_transition_time.clone()),
                message: w.message,
                observed_generation: generation,
                reason: w.reason,
                status: w.status.as_str().into(),
                type_: w.type_.into(),
            }
        })
        .collect()
}

/// The condition of this type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// Whether the condition of this type holds.
#[must_use]
pub fn holds(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|c| c.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_keeps_its_time_until_the_status_changes() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let want = |status, message: &str| vec![Wanted::new("Ready", status, "R", message)];
        let first = settle(&[], want(Status::False, "a"), Some(1), at(1));
        let second = settle(&first, want(Status::False, "b"), Some(2), at(2));
        assert_eq!(second[0].last_transition_time.0, at(1));
        assert_eq!(second[0].message, "b");
        let third = settle(&second, want(Status::True, "b"), Some(2), at(3));
        assert_eq!(third[0].last_transition_time.0, at(3));
    }
}
