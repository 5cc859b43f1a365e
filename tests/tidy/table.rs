//! The import table of `ARCHITECTURE.md`: a Markdown table whose header starts with `layer` and `folder` and ends with `may import`.
//!
//! Folders and imports are what stands between backticks. An import with a path (`disk::FileSlice`) allows that alone. A folder whose
//! row says `(planned)` in its second column is not there yet. A row may leave the layer blank: it has the one above.

/// One folder of `src/`.
#[derive(Debug)]
pub struct Row {
    pub layer: u32,
    pub folder: String,
    pub planned: bool,
    /// Paths it may import from.
    imports: Vec<Vec<String>>,
}

impl Row {
    /// Whether a path from the crate's root may be used here.
    pub fn may_import(&self, path: &[String]) -> bool {
        self.imports.iter().any(|allowed| path.starts_with(allowed))
    }
}

#[derive(Debug)]
pub struct Table {
    pub rows: Vec<Row>,
}

impl Table {
    pub fn parse(markdown: &str) -> Result<Self, String> {
        let cells =
            |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|c| c.trim().to_string()).collect() };
        let is_head = |line: &&str| matches!(cells(line).as_slice(), [a, b, .., z] if a == "layer" && b == "folder" && z == "may import");
        let mut lines = markdown.lines().map(str::trim).skip_while(|line| !is_head(line));
        lines.next().ok_or("no table with the columns layer, folder, ..., may import")?;
        let mut rows: Vec<Row> = Vec::new();
        for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
            let cells = cells(line);
            let [layer, folders, .., imports] = cells.as_slice() else {
                return Err(format!("too few columns: {line}"));
            };
            let layer = match layer.as_str() {
                "" => rows.last().ok_or("the first row has no layer")?.layer,
                number => number.parse().map_err(|_| format!("not a layer: {number}"))?,
            };
            let names = quoted(folders);
            if names.is_empty() {
                return Err(format!("no folder between backticks: {line}"));
            }
            for name in names {
                let folder = name.trim_end_matches('/').trim_end_matches(".rs").to_string();
                let imports = quoted(imports).iter().map(|path| path.split("::").map(String::from).collect()).collect();
                rows.push(Row { layer, folder, planned: folders.contains("(planned)"), imports });
            }
        }
        Ok(Self { rows })
    }

    pub fn row(&self, folder: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.folder == folder)
    }

    /// What is wrong with the table itself: imports that are unknown, or lead upward, or in a circle.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for row in &self.rows {
            for import in &row.imports {
                let from = &row.folder;
                match self.row(&import[0]) {
                    _ if &import[0] == from => faults.push(format!("{from} imports itself: that needs no word")),
                    None => faults.push(format!("{from} imports {}, which is not in the table", import[0])),
                    Some(target) if target.layer > row.layer => {
                        faults.push(format!("{from} imports upward: {}", import[0]))
                    }
                    Some(target) if target.may_import(std::slice::from_ref(from)) => {
                        faults.push(format!("{from} and {} import each other", import[0]));
                    }
                    Some(_) => {}
                }
            }
        }
        faults
    }
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}
