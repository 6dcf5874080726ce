//! One kind of object, as last seen: by the watch, or in the answer to a write of our own.
//!
//! A reconcile that reads its own writes takes no decision twice and sends no write that the API
//! server would refuse. That is what a table adds to a plain reflector: whichever is newer wins,
//! the watch or the answer, by resource version (comparable integers for every kind we keep).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use crate::key::ObjectKey;

/// How long the uid of a deleted object is remembered, so that a late answer to a write does not
/// bring the object back.
const TOMBSTONE: Duration = Duration::from_mins(1);

/// Keys, uid and version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Namespace and name.
    pub key: ObjectKey,
    /// uid.
    pub uid: String,
    /// Resource version as a number.
    pub version: u64,
}

/// What a table must know of the objects it holds.
pub trait Record: Send + Sync + 'static {
    /// Keys, uid and version.
    fn meta(&self) -> &Meta;
    /// Key of the object that this one belongs to by label, by which [`Table::group`] finds it.
    fn group(&self) -> Option<ObjectKey>;
    /// Nothing that any decision reads differs from `other`.
    fn same(&self, other: &Self) -> bool;
}

/// What an observation changed.
#[derive(Debug)]
pub enum Change<T> {
    /// Nothing that matters.
    Nothing,
    /// A new, changed or deleted object; the older form comes first.
    Changed(Option<Arc<T>>, Option<Arc<T>>),
}

/// The objects of one kind.
#[derive(Debug)]
pub struct Table<T> {
    inner: RwLock<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    objects: BTreeMap<ObjectKey, Arc<T>>,
    groups: HashMap<ObjectKey, BTreeSet<ObjectKey>>,
    tombstones: HashMap<String, Instant>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            inner: RwLock::new(Inner {
                objects: BTreeMap::new(),
                groups: HashMap::new(),
                tombstones: HashMap::new(),
            }),
        }
    }
}

impl<T: Record> Table<T> {
    /// The object, if there is one.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<T>> {
        self.read().objects.get(key).cloned()
    }

    /// All objects of a group, by name.
    #[must_use]
    pub fn group(&self, group: &ObjectKey) -> Vec<Arc<T>> {
        let inner = self.read();
        inner
            .groups
            .get(group)
            .into_iter()
            .flatten()
            .filter_map(|key| inner.objects.get(key).cloned())
            .collect()
    }

    /// All objects of a namespace, by name.
    #[must_use]
    pub fn namespace(&self, namespace: &str) -> Vec<Arc<T>> {
        let first = ObjectKey::new(namespace, "");
        self.read()
            .objects
            .range(first..)
            .take_while(|(key, _)| &*key.namespace == namespace)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// All objects.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<T>> {
        self.read().objects.values().cloned().collect()
    }

    /// Takes an object in, unless a newer form of it is here already.
    pub fn observe(&self, object: T) -> Change<T> {
        self.write().observe(object)
    }

    /// Takes the deletion of an object in.
    pub fn delete(&self, object: &T) -> Change<T> {
        let mut inner = self.write();
        let now = Instant::now();
        inner.tombstones.retain(|_, at| now - *at < TOMBSTONE);
        inner.tombstones.insert(object.meta().uid.clone(), now);
        match inner.objects.get(&object.meta().key) {
            Some(known) if known.meta().uid == object.meta().uid => {
                let old = inner.remove(&object.meta().key);
                Change::Changed(old, None)
            }
            _ => Change::Nothing,
        }
    }

    /// Takes a whole list in. What is not on it is gone, but for what was written after the list
    /// was made.
    pub fn replace(&self, list: Vec<T>) -> Vec<Change<T>> {
        let mut inner = self.write();
        let listed: HashSet<ObjectKey> = list.iter().map(|o| o.meta().key.clone()).collect();
        let newest = list.iter().map(|o| o.meta().version).max();
        let gone: Vec<ObjectKey> = inner
            .objects
            .iter()
            .filter(|(key, object)| {
                !listed.contains(key) && newest.is_none_or(|newest| object.meta().version <= newest)
            })
            .map(|(key, _)| key.clone())
            .collect();
        let mut changes: Vec<Change<T>> = gone
            .iter()
            .map(|key| Change::Changed(inner.remove(key), None))
            .collect();
        changes.extend(list.into_iter().map(|object| inner.observe(object)));
        changes
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner<T>> {
        self.inner
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner<T>> {
        self.inner
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T: Record> Inner<T> {
    fn observe(&mut self, object: T) -> Change<T> {
        if self.tombstones.contains_key(&object.meta().uid) {
            return Change::Nothing;
        }
        if let Some(known) = self.objects.get(&object.meta().key)
            && known.meta().version >= object.meta().version
        {
            return Change::Nothing;
        }
        let object = Arc::new(object);
        let old = self.remove(&object.meta().key);
        if let Some(group) = object.group() {
            self.groups
                .entry(group)
                .or_default()
                .insert(object.meta().key.clone());
        }
        self.objects
            .insert(object.meta().key.clone(), object.clone());
        match &old {
            Some(old) if old.meta().uid == object.meta().uid && old.same(&object) => {
                Change::Nothing
            }
            _ => Change::Changed(old, Some(object)),
        }
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Arc<T>> {
        let old = self.objects.remove(key)?;
        if let Some(group) = old.group()
            && let Some(members) = self.groups.get_mut(&group)
        {
            members.remove(key);
            if members.is_empty() {
                self.groups.remove(&group);
            }
        }
        Some(old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Thing {
        meta: Meta,
        group: Option<ObjectKey>,
        value: u8,
    }

    impl Record for Thing {
        fn meta(&self) -> &Meta {
            &self.meta
        }
        fn group(&self) -> Option<ObjectKey> {
            self.group.clone()
        }
        fn same(&self, other: &Self) -> bool {
            self.value == other.value
        }
    }

    fn thing(name: &str, uid: &str, version: u64, value: u8) -> Thing {
        Thing {
            meta: Meta {
                key: ObjectKey::new("ns", name),
                uid: uid.into(),
                version,
            },
            group: Some(ObjectKey::new("ns", "g")),
            value,
        }
    }

    #[test]
    fn newer_wins_whoever_brings_it() {
        let table = Table::default();
        table.observe(thing("a", "1", 5, 1));
        table.observe(thing("a", "1", 4, 0));
        assert_eq!(
            table.get(&ObjectKey::new("ns", "a")).map(|t| t.value),
            Some(1)
        );
        table.observe(thing("a", "1", 6, 2));
        assert_eq!(
            table.get(&ObjectKey::new("ns", "a")).map(|t| t.value),
            Some(2)
        );
    }

    #[test]
    fn late_answer_does_not_revive() {
        let table = Table::default();
        table.observe(thing("a", "1", 5, 1));
        table.delete(&thing("a", "1", 7, 1));
        table.observe(thing("a", "1", 6, 1));
        assert!(table.get(&ObjectKey::new("ns", "a")).is_none());
        assert!(table.group(&ObjectKey::new("ns", "g")).is_empty());
    }

    #[test]
    fn deletion_of_an_earlier_namesake_is_ignored() {
        let table = Table::default();
        table.observe(thing("a", "2", 9, 1));
        table.delete(&thing("a", "1", 8, 1));
        assert!(table.get(&ObjectKey::new("ns", "a")).is_some());
    }

    #[test]
    fn a_list_drops_what_it_lacks_and_keeps_what_is_newer() {
        let table = Table::default();
        table.observe(thing("old", "1", 3, 1));
        table.observe(thing("new", "2", 30, 1));
        table.replace(vec![thing("listed", "3", 20, 1)]);
        let names: Vec<_> = table
            .all()
            .iter()
            .map(|t| t.meta.key.name.to_string())
            .collect();
        assert_eq!(names, ["listed", "new"]);
    }

    #[test]
    fn an_unimportant_change_is_nothing() {
        let table = Table::default();
        table.observe(thing("a", "1", 1, 1));
        assert!(matches!(
            table.observe(thing("a", "1", 2, 1)),
            Change::Nothing
        ));
        assert!(matches!(
            table.observe(thing("a", "1", 3, 2)),
            Change::Changed(Some(_), Some(_))
        ));
    }
}
