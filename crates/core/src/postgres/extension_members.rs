//! What extensions have in a database, before and after code of an archive could run.
//!
//! `pg_dump` writes an extension as one statement, so an object that was added to one is in no dump of what was
//! restored, and neither is a change to one. What an extension's script has made is known from before the restore. The
//! same holds for PostgreSQL's own schemas, in which a superuser can put and replace functions.

use std::collections::BTreeMap;

use anyhow::Context;

use super::connect::Session;

const EXTENSIONS: &str = "
    SELECT extname::text, extnamespace::regnamespace::text FROM pg_catalog.pg_extension";

/// What of a function `p` can run, and as whom. `SQL_BODY` is the body of a function that was written as a statement
/// (since 14), whose `prosrc` is empty.
const CODE: &str = "p.prosrc, SQL_BODY, p.probin, p.prosecdef, CASE WHEN p.prosecdef THEN p.proowner END, p.proconfig,
                    p.prolang, pg_catalog.pg_get_expr(p.proargdefaults, 0), p.provolatile, p.proisstrict, p.proleakproof,
                    p.prosupport, (SELECT a::text FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = p.oid)";

/// Each member with a digest of what of it can run, and what its table was given: a trigger or a rule on a table of an
/// extension is in no dump either. SHA-256, since a server that keeps to FIPS has no MD5.
const MEMBERS: &str = "
    SELECT e.extname::text, concat_ws(' ', i.type, i.identity), sha256(textsend(concat_ws('|',
               (SELECT concat_ws('|', CODE)
                  FROM pg_catalog.pg_proc p WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.objid),
               (SELECT o.oprcode
                  FROM pg_catalog.pg_operator o WHERE d.classid = 'pg_catalog.pg_operator'::regclass AND o.oid = d.objid),
               (SELECT concat_ws('|', k.castfunc, k.castcontext, k.castmethod)
                  FROM pg_catalog.pg_cast k WHERE d.classid = 'pg_catalog.pg_cast'::regclass AND k.oid = d.objid),
               (SELECT pg_catalog.string_agg(concat_ws(' ', k.conname, pg_catalog.pg_get_constraintdef(k.oid)), '|' ORDER BY k.conname)
                  FROM pg_catalog.pg_constraint k
                 WHERE d.classid = 'pg_catalog.pg_type'::regclass AND k.contypid = d.objid
                    OR d.classid = 'pg_catalog.pg_class'::regclass AND k.conrelid = d.objid),
               (SELECT CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END
                  FROM pg_catalog.pg_class c WHERE d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid),
               (SELECT pg_catalog.string_agg(concat_ws(' ', a.adnum, pg_catalog.pg_get_expr(a.adbin, a.adrelid)), '|' ORDER BY a.adnum)
                  FROM pg_catalog.pg_attrdef a WHERE d.classid = 'pg_catalog.pg_class'::regclass AND a.adrelid = d.objid),
               (SELECT pg_catalog.string_agg(concat_ws(' ', t.tgname, t.tgenabled, t.tgfoid::regprocedure), '|' ORDER BY t.tgname)
                  FROM pg_catalog.pg_trigger t
                 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND t.tgrelid = d.objid AND NOT t.tgisinternal),
               (SELECT pg_catalog.string_agg(pg_catalog.pg_get_ruledef(w.oid), '|' ORDER BY w.rulename)
                  FROM pg_catalog.pg_rewrite w
                 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND w.ev_class = d.objid AND w.rulename <> '_RETURN'))))
      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid,
           LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) i
     WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'";

/// The functions in PostgreSQL's own schemas, all in one, without members of extensions.
const OWN_FUNCTIONS: &str = "
    SELECT sha256(textsend(pg_catalog.string_agg(concat_ws('|', p.oid, p.proname, CODE), '|' ORDER BY p.oid)))
      FROM pg_catalog.pg_proc p
     WHERE p.pronamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                          AND d.objid = p.oid AND d.deptype = 'e')";

/// What decides which functions run, of PostgreSQL's own objects: those that `initdb` has made, which keep their OIDs.
const OWN_RULES: &str = "
    SELECT sha256(textsend(concat_ws('|',
             (SELECT pg_catalog.string_agg(concat_ws(' ', o.oid, o.oprcode, o.oprrest, o.oprjoin, o.oprcom, o.oprnegate), '|' ORDER BY o.oid)
                FROM pg_catalog.pg_operator o WHERE o.oid < 16384),
             (SELECT pg_catalog.string_agg(concat_ws(' ', k.oid, k.castfunc, k.castcontext, k.castmethod), '|' ORDER BY k.oid)
                FROM pg_catalog.pg_cast k WHERE k.oid < 16384),
             (SELECT pg_catalog.string_agg(concat_ws(' ', m.oid, m.amopopr, m.amopstrategy, m.amopfamily), '|' ORDER BY m.oid)
                FROM pg_catalog.pg_amop m WHERE m.oid < 16384),
             (SELECT pg_catalog.string_agg(concat_ws(' ', m.oid, m.amproc, m.amprocnum, m.amprocfamily), '|' ORDER BY m.oid)
                FROM pg_catalog.pg_amproc m WHERE m.oid < 16384))))";

/// What one extension has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Members {
    schema: String,
    /// Digests by kind and name.
    objects: BTreeMap<String, Vec<u8>>,
}

/// The members of the extensions of a database, as they are at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtensionMembers {
    /// By the name of the extension.
    extensions: BTreeMap<String, Members>,
    own_functions: Vec<u8>,
    own_rules: Vec<u8>,
}

impl ExtensionMembers {
    /// Looks at the database of `session`.
    ///
    /// # Errors
    /// What the server says.
    pub async fn look(session: &Session) -> anyhow::Result<Self> {
        let mut extensions: BTreeMap<String, Members> = BTreeMap::new();
        let sql_body =
            if session.server_version_num() >= 140_000 { "pg_catalog.pg_get_function_sqlbody(p.oid)" } else { "NULL" };
        let code = CODE.replace("SQL_BODY", sql_body);
        let [members, own_functions] = [MEMBERS, OWN_FUNCTIONS].map(|question| question.replace("CODE", &code));
        for row in session.client().query(EXTENSIONS, &[]).await.context("list extensions")? {
            extensions.entry(row.try_get(0)?).or_default().schema = row.try_get(1)?;
        }
        for row in session.client().query(&members, &[]).await.context("list the members of extensions")? {
            extensions.entry(row.try_get(0)?).or_default().objects.insert(row.try_get(1)?, row.try_get(2)?);
        }
        let own = session.client().query_one(&own_functions, &[]).await.context("look at PostgreSQL's functions")?;
        let rules =
            session.client().query_one(OWN_RULES, &[]).await.context("look at PostgreSQL's operators and casts")?;
        Ok(Self { extensions, own_functions: own.try_get(0)?, own_rules: rules.try_get(0)? })
    }

    /// What is not as it was in `before`, in sentences. Of an object that was not there, the name passes through
    /// `known`: code of an archive may have made it of rows. Not looked at are extensions that were not there in
    /// `before`, and those in another schema, which differ from their definition in a dump.
    pub fn changes_since(&self, before: &Self, known: impl Fn(&str) -> String) -> Vec<String> {
        let mut found = Vec::new();
        for (extension, made) in &before.extensions {
            let Some(is) = self.extensions.get(extension).filter(|is| is.schema == made.schema) else { continue };
            for (object, digest) in &is.objects {
                match made.objects.get(object) {
                    Some(was) if was == digest => {}
                    Some(_) => found.push(format!("{object} of extension {extension} is not what the extension made")),
                    None => found.push(format!(
                        "{} is a member of extension {extension}, which did not make it: no dump shows it",
                        known(object)
                    )),
                }
            }
            let gone = made.objects.keys().filter(|object| !is.objects.contains_key(*object));
            found.extend(gone.map(|object| format!("{object} of extension {extension} is no longer a member of it")));
        }
        if self.own_functions != before.own_functions {
            found.push("the functions in pg_catalog or information_schema are not PostgreSQL's".to_owned());
        }
        if self.own_rules != before.own_rules {
            found.push("the operators, casts or operator classes of PostgreSQL are not its own".to_owned());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(all: &[(&str, &[(&str, &str)])]) -> ExtensionMembers {
        let of_one = |objects: &[(&str, &str)]| Members {
            schema: "public".to_owned(),
            objects: objects
                .iter()
                .map(|(object, digest)| ((*object).to_owned(), digest.as_bytes().to_vec()))
                .collect(),
        };
        let extensions = all.iter().map(|(name, objects)| ((*name).to_owned(), of_one(objects))).collect();
        ExtensionMembers { extensions, own_functions: vec![1], own_rules: vec![1] }
    }

    #[test]
    fn what_was_added_to_an_extension_changed_or_taken_is_told() {
        let before = members(&[("a", &[("function f()", "1"), ("type t", "")]), ("b", &[])]);
        let told = |after: &ExtensionMembers| after.changes_since(&before, |text| text.to_uppercase());
        assert_eq!(told(&before.clone()), Vec::<String>::new());
        let after = members(&[("a", &[("function f()", "2"), ("view v", "")]), ("new", &[("view v", "")])]);
        let expected = [
            "function f() of extension a is not what the extension made",
            "VIEW V is a member of extension a, which did not make it: no dump shows it",
            "type t of extension a is no longer a member of it",
        ];
        assert_eq!(told(&after), expected);
        let mut moved = after.clone();
        moved.extensions.get_mut("a").unwrap().schema = "other".to_owned();
        assert_eq!(told(&moved), Vec::<String>::new());
        let other = ExtensionMembers { own_functions: vec![2], ..before.clone() };
        assert_eq!(told(&other), ["the functions in pg_catalog or information_schema are not PostgreSQL's"]);
        let other = ExtensionMembers { own_rules: vec![2], ..before.clone() };
        assert_eq!(told(&other), ["the operators, casts or operator classes of PostgreSQL are not its own"]);
    }
}
