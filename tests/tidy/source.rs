//! The paths that a Rust file names, wherever they stand: imports with groups and renames, expressions, types, bounds, visibilities,
//! and the insides of macros, which `syn` leaves as tokens.
//!
//! Only paths that start at the crate's root are kept, `super::` ones turned into such. Comments are not looked at.

use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// A path from the crate's root.
#[derive(Debug)]
pub struct Found {
    pub line: usize,
    pub segments: Vec<String>,
    /// `pub use`, of any width.
    pub reexport: bool,
    /// More `super::` than the folder is deep.
    pub leaves_crate_root: bool,
}

/// A macro that is called.
#[derive(Debug)]
pub struct Call {
    pub line: usize,
    pub name: String,
    /// Its first word is `biased`.
    pub biased: bool,
}

/// One file of `src/`, or of `tests/`.
#[derive(Debug)]
pub struct Source {
    pub file: String,
    pub paths: Vec<Found>,
    pub macros: Vec<Call>,
    /// Line of the first `#[cfg(test)]`.
    pub cfg_test: Option<usize>,
    /// The module that is being read, from the crate's root.
    module: Vec<String>,
}

impl Source {
    /// Reads a file; `path` is below `src/`.
    pub fn parse(path: &Path, text: &str) -> syn::Result<Self> {
        let mut module: Vec<String> =
            path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.last().is_some_and(|name| name == "mod") || module == ["lib"] {
            module.pop();
        }
        let file = path.display().to_string();
        let mut source = Self { file, paths: Vec::new(), macros: Vec::new(), cfg_test: None, module };
        let parsed = syn::parse_file(text)?;
        source.visit_file(&parsed);
        Ok(source)
    }

    /// The folder of `src/` it belongs to (`main` for main.rs); none for lib.rs.
    pub fn folder(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    /// Keeps a path if it starts at the crate's root, or by `super::`.
    fn add(&mut self, line: usize, segments: &[String], reexport: bool) {
        let supers = segments.iter().skip_while(|s| *s == "self").take_while(|s| *s == "super").count();
        let found = match segments.first().map(String::as_str) {
            Some("crate") => Found { line, segments: segments[1..].to_vec(), reexport, leaves_crate_root: false },
            // The binary names the library by its name.
            Some("ottla") => Found { line, segments: segments[1..].to_vec(), reexport, leaves_crate_root: false },
            _ if supers == 0 => return,
            _ => {
                let rest = segments.iter().filter(|s| *s != "self" && *s != "super").cloned();
                // One step up from a folder's own module is the root of the crate: from there any folder could be named.
                let leaves_crate_root = supers >= self.module.len();
                let base = self.module[..self.module.len().saturating_sub(supers)].iter().cloned();
                Found { line, segments: base.chain(rest).collect(), reexport, leaves_crate_root }
            }
        };
        self.paths.push(found);
    }

    fn add_tree(&mut self, tree: &UseTree, before: &[String], reexport: bool) {
        let line = tree.span().start().line;
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&path.tree, &with(&path.ident), reexport),
            UseTree::Name(name) if name.ident == "self" => self.add(line, before, reexport),
            UseTree::Rename(rename) if rename.ident == "self" => self.add(line, before, reexport),
            UseTree::Name(name) => self.add(line, &with(&name.ident), reexport),
            UseTree::Rename(rename) => self.add(line, &with(&rename.ident), reexport),
            // All folders by their bare names: nothing could be told apart any more.
            UseTree::Glob(_) if before == ["crate"] => {
                self.paths.push(Found { line, segments: Vec::new(), reexport, leaves_crate_root: true });
            }
            UseTree::Glob(_) => self.add(line, before, reexport),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.add_tree(item, before, reexport)),
        }
    }

    /// Paths and macro calls in tokens that are not parsed.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, text: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == text);
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let line = first.span().start().line;
                    let continues = at >= 2 && is(at - 1, ':') && is(at - 2, ':');
                    let mut segments = vec![first.to_string()];
                    while is(at + 1, ':') && is(at + 2, ':') {
                        let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
                        segments.push(next.to_string());
                        at += 3;
                    }
                    // A word alone is the visibility `pub(super)`.
                    if !continues && segments.len() > 1 {
                        self.add(line, &segments, false);
                    }
                    if is(at + 1, '!')
                        && let Some(TokenTree::Group(group)) = tokens.get(at + 2)
                    {
                        self.add_call(line, segments.last().cloned().unwrap_or_default(), group.stream());
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    fn add_call(&mut self, line: usize, name: String, tokens: TokenStream) {
        let biased = matches!(tokens.into_iter().next(), Some(TokenTree::Ident(word)) if word == "biased");
        self.macros.push(Call { line, name, biased });
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let reexport = !matches!(item.vis, Visibility::Inherited);
        self.add_tree(&item.tree, &[], reexport);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(path.span().start().line, &segments, false);
        visit::visit_path(self, path);
    }

    // `pub(in crate::replica)` names a folder and imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, call: &'ast Macro) {
        let line = call.path.span().start().line;
        let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        self.add_call(line, name, call.tokens.clone());
        self.add_tokens(call.tokens.clone());
        self.visit_path(&call.path);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let is_test = attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test");
        if is_test && self.cfg_test.is_none() {
            self.cfg_test = Some(attribute.span().start().line);
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }
}
