//! The section `apps`.

use super::apis::LEVELS;
use super::credentials::{self, Rules};
use super::rules::Groups;
use super::{Environment, Names, Seen, items, name};
use crate::alg::Certificate;
use crate::codec::doc::{Node, Object};
use crate::error::DocumentError;
use crate::keys::ids::{Ids, IdsBuilder};
use crate::keys::ips::IpSet;
use crate::keys::profiles::Profiles;
use crate::keys::settings::{AppStatus, Level};
use crate::keys::snapshot::{ApiIndex, App, AppIndex, Demands, ProfileIndex};
use crate::policy::Require;
use crate::verdict::{APP_ID_MAX, Label};
use std::collections::HashMap;

/// Most addresses and blocks of one app, and most of its credentials.
const LIST_MAX: usize = 10_000;
const CREDENTIALS_MAX: usize = 256;

pub(super) const STATUSES: [(&str, AppStatus); 3] =
    [("active", AppStatus::Active), ("suspended", AppStatus::Suspended), ("exited", AppStatus::Exited)];

/// What reading an app looks at besides its entry.
pub(super) struct Context<'c> {
    pub(super) apis: &'c HashMap<String, ApiIndex>,
    pub(super) groups: &'c Groups,
    pub(super) demands: &'c Demands,
    /// Where chains of certificates end; none where they are not followed.
    pub(super) roots: &'c [Certificate],
    pub(super) environment: Environment<'c>,
}

pub(super) fn read(
    section: Option<Node<'_>>,
    names: &mut Names<'_>,
    profiles: &mut Profiles,
    context: &Context<'_>,
) -> Result<Vec<App>, DocumentError> {
    let mut apps = Vec::new();
    let mut seen = Seen::default();
    for node in items(section)? {
        let object = node.object()?;
        let index = AppIndex(u32::try_from(apps.len()).map_err(|_| node.error("too many apps"))?);
        let id_node = object.required("app_id")?;
        let id = name(&id_node, APP_ID_MAX)?;
        seen.add(id, &id_node)?;
        let id = Label::new(id).ok_or_else(|| id_node.error("too long"))?;
        let status = object.optional("status").map_or(Ok(AppStatus::Active), |node| node.one_of(&STATUSES))?;
        let level = object.optional("level").map_or(Ok(Level::A1), |node| node.one_of(&LEVELS))?;
        let allow_weak = object.optional("allow_weak").map_or(Ok(false), |node| node.bool())?;
        let profile_list = profile_list(object.optional("profiles"), profiles)?;
        let allow_ips = allow_ips(&object, context.demands)?;
        let mut allow_apis = context.groups.allowed(&object, context.apis)?;
        let party = context.groups.party(&object)?;
        let status = match party.map(|party| party.status) {
            // An app is no better off than the party that runs it.
            Some(AppStatus::Exited) => AppStatus::Exited,
            Some(AppStatus::Suspended) if status == AppStatus::Active => AppStatus::Suspended,
            _ => status,
        };
        if let (Some(own), Some(of_party)) = (&mut allow_apis, party.and_then(|party| party.allow_apis.as_ref())) {
            own.retain(|api| of_party.binary_search(api).is_ok());
        }
        let require = match object.optional("require") {
            Some(node) => Some(Require::parse(node.str()?).map_err(|e| node.error(e.to_string()))?),
            None => None,
        };
        let peer_certificates = super::rules::fingerprints(&object)?;
        let limits = names.lists(object.optional("limits"))?;
        let nonces = object.optional("nonces").map(|node| node.u64_in(1..=1 << 36)).transpose()?;
        let credential_nodes = items(object.optional("credentials"))?;
        if credential_nodes.len() > CREDENTIALS_MAX {
            return Err(object.error(format!("expected at most {CREDENTIALS_MAX} credentials")));
        }
        let rules = Rules { level, allow_weak };
        let credentials = credentials::read(&credential_nodes, rules, context)?;
        object.finish()?;
        profiles.check_credentials(&profile_list, &credentials, &credential_nodes)?;
        apps.push(App {
            index,
            id,
            status,
            level,
            allow_weak,
            profiles: profile_list,
            credentials: credentials.into_boxed_slice(),
            allow_ips,
            allow_apis: allow_apis.map(Vec::into_boxed_slice),
            require,
            peer_certificates: peer_certificates.into_boxed_slice(),
            limits,
            nonces,
        });
    }
    Ok(apps)
}

fn profile_list(list: Option<Node<'_>>, profiles: &mut Profiles) -> Result<Box<[ProfileIndex]>, DocumentError> {
    let mut found = Vec::new();
    let mut seen = Seen::default();
    for node in items(list)? {
        seen.add(node.str()?, &node)?;
        found.push(profiles.resolve(&node)?);
    }
    Ok(found.into_boxed_slice())
}

fn allow_ips(object: &Object<'_>, demands: &Demands) -> Result<Option<IpSet>, DocumentError> {
    let Some(list) = object.optional("allow_ips") else { return Ok(None) };
    let nodes = list.array()?;
    if nodes.len() > LIST_MAX {
        return Err(list.error(format!("expected at most {LIST_MAX} addresses and blocks")));
    }
    let blocks: Result<Vec<_>, DocumentError> = nodes.iter().map(|node| block(node, demands.public_ips)).collect();
    Ok(Some(IpSet::new(&blocks?)))
}

fn block(node: &Node<'_>, public: bool) -> Result<ipnet::IpNet, DocumentError> {
    let block = IpSet::parse_block(node.str()?).map_err(|expected| node.error(expected))?;
    match IpSet::not_public(&block).filter(|_| public) {
        Some(what) => Err(node.error(format!("expected public addresses (\"allow_ips_public\"); these are of {what}"))),
        None => Ok(block),
    }
}

/// The ways from what a request carries to an app.
pub(super) struct Indices {
    pub(super) app_ids: Ids,
    pub(super) kids: Ids,
    pub(super) kid_holders: Box<[(AppIndex, u32)]>,
    pub(super) sole_apps: Box<[Option<AppIndex>]>,
}

impl Indices {
    /// # Errors
    /// Where two apps allow a profile that tells apps apart by key id alone, and have a key id in common.
    pub(super) fn of(apps: &[App], profiles: &Profiles) -> Result<Self, DocumentError> {
        let mut app_ids = IdsBuilder::default();
        let mut kids = IdsBuilder::default();
        let mut kid_holders: Vec<(AppIndex, u32)> = Vec::new();
        let mut holder_of: HashMap<(ProfileIndex, String), AppIndex> = HashMap::new();
        let mut users: Vec<Vec<AppIndex>> = profiles.iter().map(|_| Vec::new()).collect();
        for app in apps {
            app_ids.push(0, app.id.as_bytes(), app.index.0);
            for profile in &app.profiles {
                // Two are enough to know that it is not one.
                if let Some(users) = users.get_mut(profile.get())
                    && users.len() < 2
                {
                    users.push(app.index);
                }
                if !profiles.by_key_id_alone(*profile) {
                    continue;
                }
                for (number, credential) in (0_u32..).zip(&app.credentials) {
                    if !profiles.admits(*profile, credential) {
                        continue;
                    }
                    let pointer = format!("/apps/{}/credentials/{number}", app.index.0);
                    for kid in credential.names() {
                        let holder = u32::try_from(kid_holders.len()).map_err(|_| DocumentError {
                            pointer: pointer.clone(),
                            message: "too many key ids".to_owned(),
                        })?;
                        kids.push(profile.0, kid.as_bytes(), holder);
                        kid_holders.push((app.index, number));
                        if let Some(first) = holder_of.insert((*profile, kid), app.index) {
                            let profile = profiles.get(*profile).map_or("", |p| p.name());
                            let message = format!(
                                "its key id is also one of /apps/{}, and both apps allow profile \"{profile}\", whose requests \
                                 carry nothing else to tell them apart; expected a key id of its own",
                                first.0
                            );
                            return Err(DocumentError { pointer, message });
                        }
                    }
                }
            }
        }
        let sole_apps = users.iter().map(|users| if let [only] = users[..] { Some(only) } else { None }).collect();
        Ok(Self {
            app_ids: app_ids.build(),
            kids: kids.build(),
            kid_holders: kid_holders.into_boxed_slice(),
            sole_apps,
        })
    }
}
