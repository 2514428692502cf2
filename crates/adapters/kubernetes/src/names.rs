//! Things by their names: thousands of them, which stay for days.
//!
//! Each has a number as long as it is there, so that others can refer to it without its name; who keeps a number gives it up with
//! what has it. No name or text is a piece of memory of its own: they lie in [cells](crate::cells), and the rest in a few long lists.

use crate::api::Key;
use crate::cells::{Cells, Stored, room, roomy};
use crate::resource::Resource;
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// Most `namespace/name` and every identity take one cell.
const NAME_PAYLOAD: usize = 40;
/// Bytes of a text in a cell.
const TEXT_PAYLOAD: usize = 60;

/// Things by their names.
#[derive(Debug)]
pub(crate) struct ByName<T> {
    names: Cells<NAME_PAYLOAD>,
    /// By their numbers.
    things: Vec<Option<Named<T>>>,
    /// Numbers that nothing has.
    free: Vec<u32>,
    /// The numbers, by the hashes of the names.
    numbers: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Named<T> {
    name: Stored,
    hash: u64,
    thing: T,
}

impl<T> Default for ByName<T> {
    fn default() -> Self {
        ByName {
            names: Cells::default(),
            things: Vec::new(),
            free: Vec::new(),
            numbers: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T> ByName<T> {
    fn named(&self, number: u32) -> Option<&Named<T>> {
        self.things.get(number as usize)?.as_ref()
    }

    /// The number of what has a name.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        let is_it = |number: &u32| {
            let named = self.named(*number);
            named.is_some_and(|named| self.names.is(&named.name, name.as_bytes()))
        };
        let found = self.numbers.find(self.hasher.hash_one(name), is_it);
        found.copied()
    }

    /// What has a number.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.named(number).map(|named| &named.thing)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let named = self.things.get_mut(number as usize)?.as_mut();
        named.map(|named| &mut named.thing)
    }

    /// What has a name.
    pub(crate) fn find(&self, name: &str) -> Option<&T> {
        self.get(self.number(name)?)
    }

    /// The name of what has a number; empty when nothing has it.
    pub(crate) fn name(&self, number: u32) -> String {
        let named = self.named(number);
        debug_assert!(named.is_some(), "{number} was given up");
        let name = named.map(|named| self.names.get(&named.name));
        String::from_utf8(name.unwrap_or_default()).expect("it was a text when it was put in")
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Everything that is there, with its number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let things = (0..).zip(&self.things);
        things.filter_map(|(number, named)| Some((number, &named.as_ref()?.thing)))
    }

    /// Once nothing is left, gives back the room that many things needed.
    pub(crate) fn give_back(&mut self) {
        if self.len() == 0 && self.things.capacity() > room::<Option<Named<T>>>() {
            *self = ByName::default();
        }
    }

    /// The number of what has a name, and the thing itself; made when nothing has it.
    pub(crate) fn or_insert_with(&mut self, name: &str, make: impl FnOnce() -> T) -> (u32, &mut T) {
        let number = self.number(name).unwrap_or_else(|| self.add(name, make()));
        let thing = self
            .get_mut(number)
            .expect("it is there, or was just put in");
        (number, thing)
    }

    /// Puts something in whose name nothing has.
    fn add(&mut self, name: &str, thing: T) -> u32 {
        let hash = self.hasher.hash_one(name);
        let named = Some(Named {
            name: self.names.put(name.as_bytes()),
            hash,
            thing,
        });
        let number = match self.free.pop() {
            Some(number) => {
                self.things[number as usize] = named;
                number
            }
            None => {
                if self.things.is_empty() {
                    self.things = roomy();
                }
                self.things.push(named);
                u32::try_from(self.things.len() - 1).expect("memory is less")
            }
        };
        let things = &self.things;
        let hash_of = |number: &u32| {
            things[*number as usize]
                .as_ref()
                .map_or(0, |named| named.hash)
        };
        self.numbers.insert_unique(hash, number, hash_of);
        number
    }

    /// Takes out what has a number.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let named = self.things.get_mut(number as usize)?.take()?;
        if let Ok(entry) = self
            .numbers
            .find_entry(named.hash, |other| *other == number)
        {
            entry.remove();
        }
        self.names.remove(named.name);
        self.free.push(number);
        Some(named.thing)
    }
}

/// Texts by their names.
#[derive(Debug, Default)]
pub(crate) struct TextsByName {
    texts: Cells<TEXT_PAYLOAD>,
    stored: ByName<Stored>,
}

impl TextsByName {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.stored.len()
    }

    /// The number of what has a name.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.stored.number(name)
    }

    /// The name of what has a number; empty when nothing has it.
    pub(crate) fn name(&self, number: u32) -> String {
        self.stored.name(number)
    }

    /// The text of what has a number.
    pub(crate) fn text(&self, number: u32) -> Option<Vec<u8>> {
        let stored = self.stored.get(number)?;
        Some(self.texts.get(stored))
    }

    /// Whether a name has a text, and it is this.
    pub(crate) fn is(&self, name: &str, text: &str) -> bool {
        let stored = self.stored.find(name);
        stored.is_some_and(|stored| self.texts.is(stored, text.as_bytes()))
    }

    /// Puts a text in the place of an earlier one; the number of what has the name.
    pub(crate) fn put(&mut self, name: &str, text: &str) -> u32 {
        let text = self.texts.put(text.as_bytes());
        match self.stored.number(name) {
            Some(number) => {
                if let Some(stored) = self.stored.get_mut(number) {
                    self.texts.remove(std::mem::replace(stored, text));
                }
                number
            }
            None => self.stored.add(name, text),
        }
    }

    /// Takes out what has a number.
    pub(crate) fn remove(&mut self, number: u32) {
        if let Some(text) = self.stored.remove(number) {
            self.texts.remove(text);
        }
    }
}

/// Things by the keys of objects of any kind.
#[derive(Debug)]
pub(crate) struct ByKey<T> {
    /// Kinds by their number: the place in here. There are few.
    kinds: Vec<Resource>,
    /// By the number of the kind and [`Key::place`].
    things: ByName<T>,
}

impl<T> Default for ByKey<T> {
    fn default() -> Self {
        ByKey {
            kinds: Vec::new(),
            things: ByName::default(),
        }
    }
}

impl<T> ByKey<T> {
    /// What a key is called here; nothing when its kind has no number.
    fn name_of(&self, key: &Key) -> Option<String> {
        let kind = self.kinds.iter().position(|kind| *kind == key.resource)?;
        Some(format!("{kind}/{}", key.place()))
    }

    /// The number of what has a key.
    pub(crate) fn number(&self, key: &Key) -> Option<u32> {
        self.things.number(&self.name_of(key)?)
    }

    /// What has a key.
    pub(crate) fn find(&self, key: &Key) -> Option<&T> {
        self.things.get(self.number(key)?)
    }

    /// What has a number.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.things.get(number)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.things.get_mut(number)
    }

    /// Once nothing is left, gives back the room that many things needed.
    pub(crate) fn give_back(&mut self) {
        self.things.give_back();
    }

    /// The key of what has a number.
    pub(crate) fn key(&self, number: u32) -> Option<Key> {
        self.things.get(number)?;
        let name = self.things.name(number);
        let (kind, place) = name.split_once('/')?;
        let kind = self.kinds.get(kind.parse::<usize>().ok()?)?;
        Some(Key::at(kind, place))
    }

    /// The number of what has a key, and the thing itself; made when nothing has it.
    pub(crate) fn or_insert_with(&mut self, key: &Key, make: impl FnOnce() -> T) -> (u32, &mut T) {
        let name = self.name_of(key).unwrap_or_else(|| {
            self.kinds.push(key.resource.clone());
            format!("{}/{}", self.kinds.len() - 1, key.place())
        });
        self.things.or_insert_with(&name, make)
    }

    /// Takes out what has a number.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        self.things.remove(number)
    }
}

#[cfg(test)]
impl<T> ByKey<T> {
    /// For how many things there is room.
    pub(crate) fn room(&self) -> usize {
        self.things.things.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{ROLLOUT, SERVICE};
    use std::collections::BTreeMap;

    /// A map of the standard library goes through the same.
    #[test]
    fn things_are_found_by_name_and_number_while_others_come_and_go() {
        let mut things = ByName::default();
        let mut expected: BTreeMap<String, (u32, usize)> = BTreeMap::new();
        for step in 0..5_000_usize {
            let chosen = step * 7_919 % 1_009;
            let name = format!("shop/{}", "web-".repeat(chosen % 30) + &chosen.to_string());
            if step % 3 == 2 {
                let gone = expected.remove(&name);
                let number = things.number(&name);
                assert_eq!(number, gone.map(|(number, _)| number), "{name}");
                let removed = number.and_then(|number| things.remove(number));
                assert_eq!(removed, gone.map(|(_, thing)| thing), "{name}");
            } else {
                let (number, thing) = things.or_insert_with(&name, || step);
                let known = expected.entry(name).or_insert((number, step));
                assert_eq!((number, *thing), *known);
            }
        }
        let mut found: BTreeMap<String, (u32, usize)> = BTreeMap::new();
        for (number, thing) in things.iter() {
            assert_eq!(things.get(number), Some(thing));
            found.insert(things.name(number), (number, *thing));
        }
        assert_eq!(found, expected);
        assert_eq!(things.len(), expected.len());
        assert!(things.things.len() <= 1_009, "numbers are given again");
    }

    #[test]
    fn objects_of_two_kinds_may_have_one_name() {
        let mut things = ByKey::default();
        let keys = [SERVICE, ROLLOUT].map(|resource| Key::new(resource, "shop", "web"));
        let numbers = [0, 1].map(|at| things.or_insert_with(&keys[at], || at).0);
        assert_eq!(
            numbers.map(|number| things.key(number)),
            keys.clone().map(Some)
        );
        assert_eq!(things.find(&keys[1]), Some(&1));
        assert_eq!(things.number(&Key::new(SERVICE, "shop", "api")), None);
        assert_eq!(things.remove(numbers[0]), Some(0));
        assert_eq!(
            keys.map(|key| things.number(&key)),
            [None, Some(numbers[1])]
        );
        assert_eq!(things.key(numbers[0]), None);
    }

    #[test]
    fn a_name_has_the_last_text_that_was_put() {
        let mut texts = TextsByName::default();
        let number = texts.put("web", "one");
        assert!(texts.is("web", "one"));
        assert_eq!(texts.put("web", "two"), number);
        assert!(texts.is("web", "two") && !texts.is("web", "one") && !texts.is("api", "two"));
        assert_eq!(texts.text(number).as_deref(), Some(&b"two"[..]));
        texts.remove(number);
        assert!(!texts.is("web", "two"));
        assert_eq!(texts.len(), 0);
    }
}
