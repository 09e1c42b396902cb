//! `twinfs token`: a credential for a server.

use serde_json::json;
use twinfs::FsPath;
use twinfs::runfiles::blocking::login;
use twinfs_server::token::Tokens;

use crate::args::Token;
use crate::output::{Failure, Result};
use crate::password;
use crate::secret;
use crate::session::Session;

pub(crate) fn run(session: &mut Session, args: &Token) -> Result<()> {
    let (token, id) = match (&args.server, &args.user, &args.sub, &args.secret_file) {
        (Some(server), Some(user), ..) => {
            let (name, password) = secret::credentials(user)?;
            let password = match password {
                Some(password) => password,
                None => password::read(&name)?,
            };
            let login = login(server, &name, &password).map_err(|error| Failure::new(&**server, error))?;
            (login.token, login.id)
        }
        (None, _, Some(sub), Some(file)) => {
            // Any server would refuse the token.
            if !FsPath::new(sub).is_ok_and(|id| id.as_str() == sub && id.components().count() == 1) {
                return Err(Failure::usage("--sub is the id of a user: one name, without '/'").into());
            }
            (Tokens::new(&secret::read(file)?).issue(sub, args.lifetime), sub.clone())
        }
        _ => return Err(Failure::usage("give --server and --user, or --secret-file and --sub").into()),
    };
    if session.out.is_json() {
        session.out.value(&json!({ "token": token, "id": id }))
    } else {
        session.out.line(token)
    }
}
