//! From a file's bytes to [`Parts`]: first the ids, then what refers to them, then the checks that look
//! at all of it.

use toml::de::DeTable;

use super::fields::{Fields, Ids};
use super::mistake::{Mistake, Report, line_of};
use super::types::Parts;
use super::{BadContent, MAX_FILE_BYTES, check, defs};

/// Most things of each sort: ids of biomes, resources, stations and creatures are a byte; the others
/// are bounded because a client holds them all.
const MOST_BYTE: u16 = 255;
const MOST_WIDE: u16 = 1_000;

/// Reads a file.
pub(super) fn parts(file: &str, bytes: &[u8]) -> Result<Parts, BadContent> {
    let refuse = |line, message| {
        let mistakes = vec![Mistake { line, message }];
        let file = file.to_owned();
        Err(BadContent { file, mistakes })
    };
    if bytes.len() > MAX_FILE_BYTES.try_into().unwrap_or(bytes.len()) {
        let message = format!("the file is longer than {MAX_FILE_BYTES} bytes; make it shorter");
        return refuse(1, message);
    }
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = line_of(bytes, error.valid_up_to());
            let message = "this is not UTF-8; save the file as UTF-8".to_owned();
            return refuse(line, message);
        }
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error
                .span()
                .map_or(1, |span| line_of(text.as_bytes(), span.start));
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            return refuse(line, format!("this is not TOML: {message}"));
        }
    };
    let mut report = Report::new(text);
    let whole = read(&mut report, table.get_ref());
    if report.is_clean()
        && let Some((parts, lines)) = whole
    {
        check::all(&mut report, &parts, &lines);
        report.finish(file)?;
        return Ok(parts);
    }
    report.finish(file)?;
    refuse(1, "the file is incomplete".to_owned())
}

/// Lines of the things' heads, by number, for the checks that look at all of them.
pub(super) struct Lines {
    pub(super) biomes: Vec<u32>,
    pub(super) items: Vec<u32>,
    pub(super) resources: Vec<u32>,
    pub(super) stations: Vec<u32>,
    pub(super) recipes: Vec<u32>,
    pub(super) creatures: Vec<u32>,
}

/// One table of a section.
pub(super) struct Entry<'t, 'i> {
    pub(super) fields: Fields<'t, 'i>,
    pub(super) number: u16,
    pub(super) key: Box<str>,
}

impl Entry<'_, '_> {
    /// The number of a sort that is counted in bytes; bad where there are too many, which is a mistake.
    pub(super) fn byte(&self) -> u8 {
        u8::try_from(self.number).unwrap_or(u8::MAX)
    }
}

/// The tables of one sort, and their ids.
pub(super) struct Section<'t, 'i> {
    tables: Vec<(&'t DeTable<'i>, u32)>,
    pub(super) ids: Ids,
    sort: &'static str,
    first: u16,
}

impl<'t, 'i> Section<'t, 'i> {
    fn read(
        report: &mut Report<'_>,
        root: &mut Fields<'t, 'i>,
        key: &'static str,
        sort: &'static str,
        first: u16,
        most: u16,
    ) -> Self {
        let tables = root.tables(report, key);
        let mut ids = Ids::default();
        if tables.is_empty() {
            report.at_line(1, format!("there is no {sort}; add a [[{key}]]"));
        }
        if tables.len() > most.into() {
            let extra = tables.iter().zip(0..).find(|(_, at)| *at == most);
            let line = extra.map_or(1, |((_, line), _)| *line);
            let count = tables.len();
            let message = format!("{count} [[{key}]] are too many; keep at most {most}");
            report.at_line(line, message);
        }
        for ((table, line), number) in tables.iter().zip(first..) {
            let mut fields = Fields::new(table, *line, format!("this {sort}"));
            let id = fields.text(report, "id", 32);
            let line = fields.line_of(report, "id");
            if id.is_empty() {
                continue;
            }
            if !is_kebab(&id) {
                let message = format!(
                    "`id` of this {sort} is not kebab-case; write lower-case letters, digits and single hyphens, as \"{}\"",
                    kebab(&id)
                );
                report.at_line(line, message);
            }
            if let Err(first) = ids.add(&id, number, line) {
                let message = format!(
                    "another {sort} `{id}` stands in line {first} already; choose a new id"
                );
                report.at_line(line, message);
            }
        }
        Self {
            tables,
            ids,
            sort,
            first,
        }
    }

    fn lines(&self) -> Vec<u32> {
        self.tables.iter().map(|(_, line)| *line).collect()
    }

    /// What `make` makes of each table; where it makes nothing, it has noted why.
    fn map<T>(
        &self,
        report: &mut Report<'_>,
        make: impl Fn(&mut Report<'_>, Entry<'t, 'i>) -> Option<T>,
    ) -> Box<[T]> {
        let entries = self.tables.iter().zip(self.first..);
        let entries = entries.map(|((table, line), number)| {
            let key = table.get("id").and_then(|id| id.get_ref().as_str());
            let key = key.unwrap_or_default();
            let mut fields = Fields::new(table, *line, format!("{} `{key}`", self.sort));
            fields.known("id");
            let key = key.into();
            Entry {
                fields,
                number,
                key,
            }
        });
        entries.filter_map(|entry| make(report, entry)).collect()
    }
}

fn is_kebab(id: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    id.starts_with(|first: char| first.is_ascii_lowercase()) && id.split('-').all(part)
}

/// The nearest kebab-case id.
fn kebab(id: &str) -> String {
    let letters = id.to_lowercase();
    let words = letters.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    match words.join("-") {
        id if is_kebab(&id) => id,
        id => format!("a-{id}").trim_end_matches('-').to_owned(),
    }
}

/// Reads all of a file; none where a part that has no harmless value is missing or bad.
fn read(report: &mut Report<'_>, table: &DeTable<'_>) -> Option<(Parts, Lines)> {
    let mut root = Fields::new(table, 1, "the file".to_owned());
    let sections = Sections {
        biomes: Section::read(report, &mut root, "biomes", "biome", 0, MOST_BYTE),
        items: Section::read(report, &mut root, "items", "item", 1, MOST_WIDE),
        resources: Section::read(report, &mut root, "resources", "resource", 0, MOST_BYTE),
        stations: Section::read(report, &mut root, "stations", "station", 0, MOST_BYTE),
        recipes: Section::read(report, &mut root, "recipes", "recipe", 0, MOST_WIDE),
        creatures: Section::read(report, &mut root, "creatures", "creature", 0, MOST_BYTE),
    };
    let mut head = |report: &mut Report<'_>, key| {
        let (table, line) = root.table(report, key)?;
        Some(Fields::new(table, line, format!("[{key}]")))
    };
    let genre = head(report, "genre");
    let genre = genre.and_then(|fields| defs::genre(report, fields));
    let mechanic = head(report, "mechanic").and_then(|fields| defs::mechanic(report, fields));
    let terrain = head(report, "terrain").map(|fields| defs::terrain(report, fields));
    root.finish(report);
    let lines = Lines {
        biomes: sections.biomes.lines(),
        items: sections.items.lines(),
        resources: sections.resources.lines(),
        stations: sections.stations.lines(),
        recipes: sections.recipes.lines(),
        creatures: sections.creatures.lines(),
    };
    let Sections {
        biomes,
        items,
        resources,
        stations,
        recipes,
        creatures,
    } = &sections;
    // All are read, so that the mistakes of all are found, before the first that is missing ends it.
    let biomes = biomes.map(report, |report, entry| defs::biome(report, entry));
    let items = items.map(report, |report, entry| defs::item(report, entry, &sections));
    let resources = resources.map(report, |report, entry| {
        defs::resource(report, entry, &sections)
    });
    let stations = stations.map(report, |report, entry| {
        defs::station(report, entry, &sections)
    });
    let recipes = recipes.map(report, |report, entry| {
        defs::recipe(report, entry, &sections)
    });
    let creatures = creatures.map(report, |report, entry| {
        defs::creature(report, entry, &sections)
    });
    let parts = Parts {
        genre: genre?,
        mechanic: mechanic?,
        terrain: terrain?,
        biomes,
        items,
        resources,
        stations,
        recipes,
        creatures,
    };
    Some((parts, lines))
}

/// The sections of a file, whose ids others refer to.
pub(super) struct Sections<'t, 'i> {
    pub(super) biomes: Section<'t, 'i>,
    pub(super) items: Section<'t, 'i>,
    pub(super) resources: Section<'t, 'i>,
    pub(super) stations: Section<'t, 'i>,
    pub(super) recipes: Section<'t, 'i>,
    pub(super) creatures: Section<'t, 'i>,
}
