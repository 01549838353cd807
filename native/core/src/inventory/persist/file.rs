//! One cluster's file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imbl::ordmap::DiffItem;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, Table, TableDefinition};

use super::names;
use super::records::{ClusterRecord, FORMAT, KindRecord};
use crate::inventory::kind::Kind;
use crate::inventory::store::{Dictionary, Key, Packed};
use crate::inventory::{Shared, Snapshot};

/// One record: the cluster.
const CLUSTER: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("cluster");
/// By kind.
const KINDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("kinds");
/// By kind and key.
const OBJECTS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("objects");
/// By id: how well it fits (8 bytes), and its content.
const DICTIONARIES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("dictionaries");

/// The store's own cache: a file is read once and then only written.
const CACHE: usize = 1 << 20;

/// Why a file is not taken up.
#[derive(Debug)]
pub(super) enum LoadError {
    /// Another process has it.
    InUse,
    /// It cannot be read.
    Damaged(String),
}

/// A file and what it holds.
pub(super) struct File {
    database: Database,
    written: Option<Arc<Snapshot>>,
    /// Its name, and the one it gets with the first snapshot.
    rename: Option<(PathBuf, PathBuf)>,
}

impl fmt::Debug for File {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("File").finish_non_exhaustive()
    }
}

impl File {
    /// The file that is there with what it holds, which the next snapshot is compared with; a new one where there is none that
    /// can be read.
    pub(super) fn open_or_create(path: &Path) -> Result<Self, String> {
        if path.exists() {
            match Self::load(path, &Shared::default()) {
                Ok((file, _)) => return Ok(file),
                Err(LoadError::InUse) => return Err("another process has it".to_owned()),
                Err(LoadError::Damaged(_)) => {}
            }
        }
        Self::create(path)
    }

    /// A new file. It has its name when it holds a snapshot: a process that is killed before leaves nothing that looks like one.
    fn create(path: &Path) -> Result<Self, String> {
        let unfinished = names::unfinished(path);
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => {}
        }
        let database = Builder::new().set_cache_size(CACHE).create(&unfinished).map_err(|error| error.to_string())?;
        Ok(Self { database, written: None, rename: Some((unfinished, path.to_owned())) })
    }

    /// Opens a file and reads the snapshot that it holds. Whatever stands in it is no reason to stop.
    pub(super) fn load(path: &Path, shared: &Shared) -> Result<(Self, Snapshot), LoadError> {
        let load = || {
            let database = Builder::new().set_cache_size(CACHE).open(path).map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => LoadError::InUse,
                error => LoadError::Damaged(error.to_string()),
            })?;
            let snapshot = read(&database, shared).map_err(LoadError::Damaged)?;
            let written = Some(Arc::new(snapshot.clone()));
            Ok((Self { database, written, rename: None }, snapshot))
        };
        catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| Err(LoadError::Damaged("reading it failed".to_owned())))
    }

    /// Makes the file hold a snapshot, in one transaction.
    pub(super) fn write(&mut self, snapshot: &Arc<Snapshot>) -> Result<(), String> {
        let write = || -> Result<(), redb::Error> {
            let mut transaction = self.database.begin_write()?;
            // A file that was not closed is then opened without reading all of it.
            transaction.set_quick_repair(true);
            {
                let record = serde_json::to_vec(&ClusterRecord::of(snapshot)).unwrap_or_default();
                transaction.open_table(CLUSTER)?.insert("", &*record)?;
                let (mut kinds, mut objects) = (transaction.open_table(KINDS)?, transaction.open_table(OBJECTS)?);
                let mut dictionaries = transaction.open_table(DICTIONARIES)?;
                let before = self.written.as_deref();
                let mut used = BTreeMap::new();
                for known in snapshot.kinds().filter(|known| !known.is_given) {
                    let earlier = before.and_then(|before| before.kind(known.kind())).filter(|one| !one.is_given);
                    write_kind(known, earlier, &mut kinds, &mut objects)?;
                    used.extend(known.objects.dictionaries().map(|one| (one.id(), one.clone())));
                }
                for gone in before.into_iter().flat_map(Snapshot::kinds) {
                    if snapshot.kind(gone.kind()).is_none_or(|known| known.is_given) {
                        let name = gone.kind().to_string();
                        kinds.remove(&*name)?;
                        objects.retain_in((&*name, "")..=(&*name, "\u{10FFFF}"), |_, _| false)?;
                    }
                }
                write_dictionaries(&used, &mut dictionaries)?;
            }
            transaction.commit()?;
            Ok(())
        };
        catch_unwind(AssertUnwindSafe(write))
            .unwrap_or_else(|_| Err(redb::Error::PreviousIo))
            .map_err(|error| error.to_string())?;
        if let Some((from, to)) = &self.rename {
            names::rename(from, to).map_err(|error| error.to_string())?;
            self.rename = None;
        }
        self.written = Some(snapshot.clone());
        Ok(())
    }
}

fn write_kind(
    known: &Kind,
    earlier: Option<&Kind>,
    kinds: &mut Table<'_, &str, &[u8]>,
    objects: &mut Table<'_, (&str, &str), &[u8]>,
) -> Result<(), redb::Error> {
    let name = known.kind().to_string();
    let record = KindRecord::of(known);
    if earlier.is_none_or(|earlier| KindRecord::of(earlier) != record) {
        kinds.insert(&*name, &*serde_json::to_vec(&record).unwrap_or_default())?;
    }
    let nothing = imbl::OrdMap::new();
    let before = earlier.map_or(&nothing, |earlier| earlier.objects.entries());
    for difference in before.diff(known.objects.entries()) {
        match difference {
            DiffItem::Add(key, packed) | DiffItem::Update { new: (key, packed), .. } => {
                objects.insert((&*name, key.text()), packed.as_bytes())?;
            }
            DiffItem::Remove(key, _) => drop(objects.remove((&*name, key.text()))?),
        }
    }
    Ok(())
}

fn write_dictionaries(
    used: &BTreeMap<u32, Arc<Dictionary>>,
    table: &mut Table<'_, u32, &[u8]>,
) -> Result<(), redb::Error> {
    let there =
        table.iter()?.map(|entry| Ok(entry?.0.value())).collect::<Result<BTreeSet<u32>, redb::StorageError>>()?;
    for (id, dictionary) in used.iter().filter(|(id, _)| !there.contains(id)) {
        let record = [&dictionary.share().to_le_bytes(), dictionary.content()].concat();
        table.insert(*id, &*record)?;
    }
    for id in there.iter().filter(|id| !used.contains_key(id)) {
        table.remove(*id)?;
    }
    Ok(())
}

fn read(database: &Database, shared: &Shared) -> Result<Snapshot, String> {
    let text = |error: redb::Error| error.to_string();
    let transaction = database.begin_read().map_err(|error| error.to_string())?;
    let open = |error: redb::TableError| error.to_string();
    let cluster = transaction.open_table(CLUSTER).map_err(open)?;
    let record = cluster.get("").map_err(|error| text(error.into()))?.ok_or("it holds no cluster")?;
    let record: ClusterRecord = serde_json::from_slice(record.value()).map_err(|error| error.to_string())?;
    if record.format != FORMAT {
        return Err(format!("it has format {}, not {FORMAT}", record.format));
    }
    let mut dictionaries = BTreeMap::new();
    for entry in transaction.open_table(DICTIONARIES).map_err(open)?.iter().map_err(|error| text(error.into()))? {
        let (id, record) = entry.map_err(|error| text(error.into()))?;
        let (share, content) = record.value().split_first_chunk().ok_or("it holds no whole dictionary")?;
        let dictionary =
            Dictionary::new(content, f64::from_le_bytes(*share)).ok_or("it holds a dictionary that is none")?;
        dictionaries.insert(id.value(), Arc::new(dictionary));
    }
    let mut snapshot = Snapshot::first(&record.cluster, shared).renumbered(record.number, record.facts());
    let objects = transaction.open_table(OBJECTS).map_err(open)?;
    for entry in transaction.open_table(KINDS).map_err(open)?.iter().map_err(|error| text(error.into()))? {
        let (name, record) = entry.map_err(|error| text(error.into()))?;
        let record: KindRecord = serde_json::from_slice(record.value()).map_err(|error| error.to_string())?;
        let (kind, number) = (record.kind(), snapshot.number());
        let known = snapshot.kind_or_new(&kind);
        (known.watermark, known.changed) = (record.watermark(), number);
        known.is_stripped = record.is_stripped;
        known.reason = "it was restored, and nobody has followed it since".into();
        for id in &record.former {
            known.objects.know(dictionaries.get(id).ok_or("a dictionary is not there")?);
        }
        if let Some(dictionary) = dictionaries.get(&record.dictionary) {
            known.objects.adopt(shared.library.replace(&kind, None, dictionary.clone()));
            known.objects.know(dictionary);
        }
        let of_kind = objects.range((name.value(), "")..=(name.value(), "\u{10FFFF}"));
        for entry in of_kind.map_err(|error| text(error.into()))? {
            let (key, packed) = entry.map_err(|error| text(error.into()))?;
            let key = Key::of_text(key.value().1).ok_or("it holds an object without a name")?;
            let packed = Packed::from_bytes(packed.value()).ok_or("it holds no whole object")?;
            if packed.dictionary() != 0 && !known.objects.dictionaries().any(|one| one.id() == packed.dictionary()) {
                return Err("a dictionary is not there".to_owned());
            }
            known.objects.insert(key, packed);
        }
    }
    Ok(snapshot)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::config::GroupVersionKind;
    use crate::inventory::{Change, Inventories};

    /// As after a transaction that failed: what the file holds is found out, and only then written over.
    #[test]
    fn a_file_is_taken_up_again_with_what_it_holds() {
        let path = std::env::temp_dir().join(format!("fleetgate-file-{}.inventory", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let kind = || GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Pod".into() };
        let put = |name: &str| {
            let text = format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"a"}}}}"#);
            Change::Put { kind: kind(), object: text.into() }
        };
        let gone =
            Change::Delete { kind: kind(), namespace: "a".into(), name: "x".into(), resource_version: "".into() };
        let shard = Inventories::default().shard("c");
        shard.write([put("x"), put("y")]);
        File::open_or_create(&path).unwrap().write(&shard.snapshot()).unwrap();
        shard.write([gone, put("z")]);
        File::open_or_create(&path).unwrap().write(&shard.snapshot()).unwrap();
        let (_, found) = File::load(&path, &Shared::default()).unwrap();
        let names: Vec<String> =
            found.kind(&kind()).unwrap().objects.entries().keys().map(|key| key.name().to_owned()).collect();
        assert_eq!((names, found.number()), (vec!["y".to_owned(), "z".to_owned()], shard.snapshot().number()));
        std::fs::remove_file(&path).unwrap();
    }
}
