//! Serves a folder: a run-files server in one page.
//!
//!     cargo run -p twinfs-server --example serve -- --data ./data --user ada:secret --secret-file ./secret

use std::error::Error;
use std::io::Write;

use twinfs::{Fs, StoreOptions};
use twinfs_server::{Config, LogFormat, serve, start_log};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "serve");
    let (mut data, mut secret) = (None, None);
    let mut config = Config::new(Fs::memory(), Vec::new());
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--data" => data = Some(value()?),
            "--listen" => config.listen = value()?,
            "--database" => config.database = Some(value()?.into()),
            "--user" => {
                let user = value()?;
                let (name, password) = user.split_once(':').ok_or("--user takes NAME:PASSWORD")?;
                config.users.push((name.into(), password.into()));
            }
            "--secret-file" => secret = Some(std::fs::read_to_string(value()?)?),
            "--max-chunk" => config.limits.max_chunk = value()?.parse()?,
            "--strict" => config.strict = true,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let secret = secret.ok_or("--secret-file is needed")?;
    config.secret = secret.strip_suffix('\n').unwrap_or(&secret).into();
    if let Some(data) = data {
        let options = StoreOptions::new().with("create", "true").with("durability", "full");
        config.data = Fs::connect_with(&data, options).await?;
        config.data_dir = Some(data.into());
    }
    start_log(LogFormat::Text, "info")?;
    let announce = |address| {
        let mut out = std::io::stdout();
        let _ = writeln!(out, "listening on http://{address}").and_then(|()| out.flush());
    };
    Ok(serve(config, announce).await?)
}
