//! The objects themselves, each once, and who owns which. There are thousands, so it counts what each of them takes: where one is
//! meant, it is by two numbers.

use super::Change;
use crate::api::Key;
use crate::cells::{Cells, Stored};
use crate::names::{ByKey, ByName};
use crate::packed::Packed;
use crate::resource::{REPLICA_SET, Resource};
use std::collections::{HashSet, VecDeque};

/// How many deleted objects are remembered at most.
pub(super) const GONE_MAX: usize = 4_096;
/// Bytes of a text in a cell.
const TEXT_PAYLOAD: usize = 60;

#[derive(Debug, Default)]
pub(super) struct Objects {
    /// Kinds by their number: the place in here.
    kinds: Vec<Kind>,
    /// Identities of objects that may own others, and of those that objects name as their owners.
    owners: ByName<Owner>,
    /// ReplicaSets that nobody controls.
    orphans: HashSet<Place>,
    /// The version at which an object was seen to be gone: what is older came late.
    gone: ByKey<u64>,
    /// Their numbers, those first that went first.
    gone_order: VecDeque<u32>,
    /// The objects' texts.
    texts: Cells<TEXT_PAYLOAD>,
    /// Owners of objects that may be other ones than is known: the answer to a write was lost.
    pub(super) doubted: HashSet<Key>,
}

/// The objects of a kind.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) resource: Resource,
    /// By [`Key::place`].
    entries: ByName<Entry>,
    /// Whether all of them have been listed once.
    pub(super) synced: bool,
    /// Whether they may not be listed.
    pub(super) refused: bool,
}

/// An object that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    /// The number of its kind.
    kind: u16,
    /// Its own among them.
    number: u32,
}

#[derive(Debug)]
pub(super) struct Entry {
    written: Written,
    /// The number of its own identity, if it may own others.
    identity: Option<u32>,
    /// The number of its controlling owner's identity.
    owner: Option<u32>,
    /// The next object of that owner.
    next: Option<Place>,
    text: Stored,
    /// Bytes of the text before it was packed.
    length: u32,
}

/// An identity that objects may have as their controlling owner's.
#[derive(Debug, Default)]
struct Owner {
    /// The object that has it, if it is known.
    object: Option<Place>,
    /// The first of the objects that it controls.
    first: Option<Place>,
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
    fn has_spec_of(&self, written: Written, identity: Option<u32>) -> bool {
        let is_counted = written.generation.is_some() && self.identity.is_some();
        is_counted && self.written.generation == written.generation && self.identity == identity
    }
}

impl Kind {
    /// What its objects are called: [`Key::at`] makes keys of it.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let entries = self.entries.iter();
        entries.map(|(number, _)| self.entries.name(number))
    }

    /// Those of a version, or an older one.
    pub(super) fn older_than(&self, version: u64) -> impl Iterator<Item = String> {
        let entries = self.entries.iter();
        let older = entries.filter(move |(_, entry)| entry.version() <= version);
        older.map(|(number, _)| self.entries.name(number))
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
                entries: ByName::default(),
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
        self.kind(&key.resource)?.entries.find(&key.place())
    }

    fn entry(&self, place: Place) -> Option<&Entry> {
        let kind = self.kinds.get(usize::from(place.kind))?;
        kind.entries.get(place.number)
    }

    fn name(&self, place: Place) -> String {
        let kind = self.kinds.get(usize::from(place.kind));
        kind.map_or_else(String::new, |kind| kind.entries.name(place.number))
    }

    /// What an owner controls, the last one first.
    fn chain(&self, owner: &Owner) -> impl Iterator<Item = (Place, &Entry)> {
        let mut next = owner.first;
        std::iter::from_fn(move || {
            let place = next?;
            let entry = self.entry(place)?;
            next = entry.next;
            Some((place, entry))
        })
    }

    /// The objects of a kind that an owner controls, in the order of their names.
    pub(super) fn owned(&self, owner: &str, resource: &Resource) -> Vec<(String, &Entry)> {
        let (Some(owner), Some(number)) = (self.owners.find(owner), self.find(resource)) else {
            return Vec::new();
        };
        let owned = self.chain(owner).filter(|(place, _)| place.kind == number);
        let mut owned: Vec<(String, &Entry)> = owned
            .map(|(place, entry)| (self.name(place), entry))
            .collect();
        owned.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        owned
    }

    /// The ReplicaSets of a namespace that nobody controls, in the order of their names.
    pub(super) fn orphans(&self, namespace: &str) -> Vec<(String, &Entry)> {
        let is_there = |name: &str| name.split_once('/').is_some_and(|(at, _)| at == namespace);
        let orphans = self.orphans.iter();
        let orphans = orphans.map(|place| (self.name(*place), self.entry(*place)));
        let mut orphans: Vec<(String, &Entry)> = orphans
            .filter_map(|(name, entry)| Some((name, entry?)))
            .filter(|(name, _)| is_there(name))
            .collect();
        orphans.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        orphans
    }

    /// The kind and name of the object with an identity, if it is one that may own others.
    pub(super) fn of_uid(&self, uid: &str) -> Option<(&Kind, String)> {
        let place = self.owners.find(uid)?.object?;
        let kind = self.kinds.get(usize::from(place.kind))?;
        Some((kind, kind.entries.name(place.number)))
    }

    /// The version at which an object was seen to be gone; 0 when it was not.
    pub(super) fn gone_at(&self, key: &Key) -> u64 {
        self.gone.find(key).copied().unwrap_or(0)
    }

    /// Notes that an object is gone at a version.
    pub(super) fn note_gone(&mut self, key: &Key, version: u64) {
        let is_known = self.gone.number(key).is_some();
        let (number, at) = self.gone.or_insert_with(key, || version);
        *at = version;
        if !is_known {
            self.gone_order.push_back(number);
        }
        while self.gone_order.len() > GONE_MAX {
            if let Some(first) = self.gone_order.pop_front() {
                self.gone.remove(first);
            }
        }
    }

    /// The text of an object.
    pub(super) fn text(&self, entry: &Entry) -> Packed {
        Packed {
            bytes: self.texts.get(&entry.text),
            length: entry.length as usize,
        }
    }

    /// Puts an object in the place of an older version.
    pub(super) fn put(
        &mut self,
        key: &Key,
        written: Written,
        uid: Option<&str>,
        owner: Option<&str>,
        text: &Packed,
    ) -> Change {
        let known = self.known(key);
        let known_uid = uid.and_then(|uid| self.owners.number(uid));
        let spec = !known.is_some_and(|known| known.has_spec_of(written, known_uid));
        self.remove(key);
        let kind = self.number(&key.resource);
        let identity = uid.map(|uid| self.owners.or_insert_with(uid, Owner::default).0);
        let controller = owner.map(|owner| self.owners.or_insert_with(owner, Owner::default).0);
        let stored = self.texts.put(&text.bytes);
        let length = u32::try_from(text.length).expect("an API server's objects are of a few MB");
        let entries = &mut self.kinds[usize::from(kind)].entries;
        let (number, entry) = entries.or_insert_with(&key.place(), || Entry {
            written,
            identity,
            owner: controller,
            next: None,
            text: stored,
            length,
        });
        let place = Place { kind, number };
        if let Some(identity) = identity.and_then(|number| self.owners.get_mut(number)) {
            identity.object = Some(place);
        }
        match controller.and_then(|number| self.owners.get_mut(number)) {
            Some(controller) => entry.next = controller.first.replace(place),
            None if key.resource == REPLICA_SET => {
                self.orphans.insert(place);
            }
            None => {}
        }
        let owner = owner.map(str::to_owned);
        Change::Newer { owner, spec }
    }

    /// Takes an object out; the identity of its controlling owner, if it is known and has one.
    pub(super) fn remove(&mut self, key: &Key) -> Option<String> {
        let kind = self.find(&key.resource)?;
        let entries = &mut self.kinds[usize::from(kind)].entries;
        let number = entries.number(&key.place())?;
        let place = Place { kind, number };
        let (owner, next) = entries.get(number).map(|entry| (entry.owner, entry.next))?;
        let name = owner.map(|owner| {
            self.unchain(owner, place, next);
            self.owners.name(owner)
        });
        self.orphans.remove(&place);
        let entry = self.kinds[usize::from(kind)].entries.remove(number)?;
        self.texts.remove(entry.text);
        if let Some(number) = entry.identity
            && let Some(identity) = self.owners.get_mut(number)
        {
            identity.object = identity.object.filter(|object| *object != place);
        }
        for number in [entry.identity, owner].into_iter().flatten() {
            let owner = self.owners.get(number);
            if owner.is_some_and(|owner| owner.object.is_none() && owner.first.is_none()) {
                self.owners.remove(number);
            }
        }
        name
    }

    /// Takes an object out of what its owner controls; `next` comes after it.
    fn unchain(&mut self, owner: u32, place: Place, next: Option<Place>) {
        let Some(owner) = self.owners.get_mut(owner) else {
            return;
        };
        if owner.first == Some(place) {
            owner.first = next;
            return;
        }
        let mut before = owner.first;
        while let Some(at) = before {
            let kind = &mut self.kinds[usize::from(at.kind)];
            let Some(entry) = kind.entries.get_mut(at.number) else {
                return;
            };
            if entry.next == Some(place) {
                entry.next = next;
                return;
            }
            before = entry.next;
        }
    }
}
