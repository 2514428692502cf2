//! The objects themselves, each once, and who owns which. There are thousands, so it counts what each of them takes: an
//! object's name and an owner's identity are one text in memory for all that know them, and a kind is a number.

use super::cells::{Cells, Stored};
use super::{Change, packed::Packed};
use crate::api::Key;
use crate::resource::{REPLICA_SET, Resource};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// How many deleted objects are remembered at most.
pub(super) const GONE_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Objects {
    /// Kinds by their number: the place in here.
    kinds: Vec<Kind>,
    /// Objects by the identity of their controlling owner.
    by_owner: HashMap<Arc<str>, Vec<Place>>,
    /// ReplicaSets that nobody controls.
    orphans: BTreeSet<Place>,
    /// Objects that may own others, by their identity.
    by_uid: HashMap<Arc<str>, Place>,
    /// The version at which an object was seen to be gone: what is older came late.
    gone: HashMap<Place, u64>,
    /// Their places, those first that went first.
    gone_order: VecDeque<Place>,
    /// Their texts.
    texts: Cells,
    /// Owners of objects that may be other ones than is known: the answer to a write was lost.
    pub(super) doubted: HashSet<Key>,
}

/// The objects of a kind.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) resource: Resource,
    /// By [`Place::name`].
    entries: HashMap<Arc<str>, Entry>,
    /// Whether all of them have been listed once.
    pub(super) synced: bool,
    /// Whether they may not be listed.
    pub(super) refused: bool,
}

/// An object, as a [`Key`] is: of each there is one in memory for all that know it here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    /// The number of its kind.
    kind: u16,
    /// Its [`Key::place`].
    name: Arc<str>,
}

#[derive(Debug)]
pub(super) struct Entry {
    written: Written,
    /// Its identity, if it may own others.
    uid: Option<Arc<str>>,
    owner: Option<Arc<str>>,
    text: Stored,
    /// Bytes of the text before it was packed.
    length: usize,
}

/// When an object was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// Its version.
    pub(super) version: u64,
    /// The number of its spec, for kinds that count it.
    pub(super) generation: Option<i64>,
}

impl Entry {
    pub(super) fn version(&self) -> u64 {
        self.written.version
    }

    /// Whether another object, or the same later, has the same spec for certain.
    fn has_spec_of(&self, written: Written, uid: Option<&str>) -> bool {
        let is_counted = written.generation.is_some() && self.uid.is_some();
        is_counted && self.written.generation == written.generation && self.uid.as_deref() == uid
    }
}

impl Kind {
    /// What its objects are called: [`Key::at`] makes keys of it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(|name| &**name)
    }

    /// Those of a version, or an older one.
    pub(super) fn older_than(&self, version: u64) -> impl Iterator<Item = &str> {
        let entries = self.entries.iter();
        let older = entries.filter(move |(_, entry)| entry.version() <= version);
        older.map(|(name, _)| &**name)
    }
}

impl Objects {
    /// The number of a kind, if anything is known of it. There are few.
    fn find(&self, resource: &Resource) -> Option<u16> {
        let mut kinds = self.kinds.iter();
        let number = kinds.position(|kind| kind.resource == *resource)?;
        u16::try_from(number).ok()
    }

    pub(super) fn kind(&self, resource: &Resource) -> Option<&Kind> {
        self.kinds.get(usize::from(self.find(resource)?))
    }

    /// The number of a kind, given when it has none.
    fn number(&mut self, resource: &Resource) -> u16 {
        self.find(resource).unwrap_or_else(|| {
            self.kinds.push(Kind {
                resource: resource.clone(),
                entries: HashMap::new(),
                synced: false,
                refused: false,
            });
            u16::try_from(self.kinds.len() - 1).expect("the kinds of a cluster are fewer")
        })
    }

    /// The same, made when nothing is known of it.
    pub(super) fn kind_mut(&mut self, resource: &Resource) -> &mut Kind {
        let number = self.number(resource);
        &mut self.kinds[usize::from(number)]
    }

    pub(super) fn known(&self, key: &Key) -> Option<&Entry> {
        let kind = self.kind(&key.resource)?;
        kind.entries.get(&*key.place())
    }

    /// Where an object is, or would be.
    pub(super) fn place(&mut self, key: &Key) -> Place {
        let kind = self.number(&key.resource);
        let name = key.place();
        let entries = &self.kinds[usize::from(kind)].entries;
        let known = entries.get_key_value(&*name).map(|(name, _)| name);
        let name = known.map_or_else(|| name.into(), Arc::clone);
        Place { kind, name }
    }

    /// The objects of a kind that an owner controls, in the order of their names.
    pub(super) fn owned(&self, owner: &str, resource: &Resource) -> Vec<(&str, &Entry)> {
        let (Some(places), Some(number)) = (self.by_owner.get(owner), self.find(resource)) else {
            return Vec::new();
        };
        let places = places.iter().filter(|place| place.kind == number);
        let mut owned: Vec<(&str, &Entry)> = places
            .filter_map(|place| Some((&*place.name, self.entry(place)?)))
            .collect();
        owned.sort_unstable_by_key(|(name, _)| *name);
        owned
    }

    /// The ReplicaSets of a namespace that nobody controls, in the order of their names.
    pub(super) fn orphans(&self, namespace: &str) -> Vec<(&str, &Entry)> {
        let is_there = |name: &str| name.split_once('/').is_some_and(|(at, _)| at == namespace);
        let orphans = self.orphans.iter().filter(|place| is_there(&place.name));
        orphans
            .filter_map(|place| Some((&*place.name, self.entry(place)?)))
            .collect()
    }

    /// The kind and name of the object with an identity, if it is one that may own others.
    pub(super) fn of_uid(&self, uid: &str) -> Option<(&Kind, &str)> {
        let place = self.by_uid.get(uid)?;
        let kind = self.kinds.get(usize::from(place.kind))?;
        Some((kind, &place.name))
    }

    /// The version at which an object was seen to be gone; 0 when it was not.
    pub(super) fn gone_at(&self, place: &Place) -> u64 {
        self.gone.get(place).copied().unwrap_or(0)
    }

    /// Notes that an object is gone at a version.
    pub(super) fn note_gone(&mut self, place: &Place, version: u64) {
        if self.gone.insert(place.clone(), version).is_none() {
            self.gone_order.push_back(place.clone());
        }
        while self.gone_order.len() > GONE_MAX {
            if let Some(first) = self.gone_order.pop_front() {
                self.gone.remove(&first);
            }
        }
    }

    pub(super) fn entry(&self, place: &Place) -> Option<&Entry> {
        let kind = self.kinds.get(usize::from(place.kind))?;
        kind.entries.get(&place.name)
    }

    /// The text of an object.
    pub(super) fn text(&self, entry: &Entry) -> Packed {
        Packed {
            bytes: self.texts.get(&entry.text),
            length: entry.length,
        }
    }

    /// Puts an object in the place of an older version.
    pub(super) fn put(
        &mut self,
        place: Place,
        written: Written,
        uid: Option<&str>,
        owner: Option<Arc<str>>,
        text: &Packed,
    ) -> Change {
        let known = self.entry(&place);
        let spec = !known.is_some_and(|known| known.has_spec_of(written, uid));
        self.remove(&place);
        // One text for all that know an owner: itself, if it is known, and those that it owns.
        let owner = owner.map(|owner| match self.by_uid.get_key_value(&owner) {
            Some((known, _)) => Arc::clone(known),
            None => match self.by_owner.get_key_value(&owner) {
                Some((known, _)) => Arc::clone(known),
                None => owner,
            },
        });
        if let Some(owner) = &owner {
            let owned = self.by_owner.entry(Arc::clone(owner)).or_default();
            owned.reserve_exact(1);
            owned.push(place.clone());
        }
        let uid = uid.map(|uid| match self.by_owner.get_key_value(uid) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(uid),
        });
        if let Some(uid) = &uid {
            self.by_uid.insert(Arc::clone(uid), place.clone());
        }
        let entry = Entry {
            written,
            uid,
            owner: owner.clone(),
            text: self.texts.put(&text.bytes),
            length: text.length,
        };
        let kind = &mut self.kinds[usize::from(place.kind)];
        if owner.is_none() && kind.resource == REPLICA_SET {
            self.orphans.insert(place.clone());
        }
        kind.entries.insert(place.name, entry);
        Change::Newer { owner, spec }
    }

    pub(super) fn remove(&mut self, place: &Place) -> Option<Arc<str>> {
        let kind = self.kinds.get_mut(usize::from(place.kind))?;
        let entry = kind.entries.remove(&place.name)?;
        self.orphans.remove(place);
        if let Some(uid) = &entry.uid {
            self.by_uid.remove(uid);
        }
        self.texts.remove(entry.text);
        let owner = entry.owner?;
        if let Some(owned) = self.by_owner.get_mut(&owner) {
            owned.retain(|other| other != place);
            if owned.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
        Some(owner)
    }
}
