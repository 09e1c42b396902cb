//! Kill -9 at random moments, with uploads in flight: every acknowledged completion is there whole,
//! nothing partial is listed, sessions go on.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use twinfs_server::{Config, serve};

use crate::support::{Panel, Random, SECRET, eventually, local};

/// Uploads in flight at a time.
const IN_FLIGHT: u64 = 8;
/// Few names, so that most completions replace a file.
const NAMES: u64 = 24;
const FOLDER: &str = "TWINFS_TEST_SERVER_FOLDER";

/// The server of the tests below, in a process of its own; without a folder it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let mut config = Config::new(local(&folder.join("data")).await, SECRET);
    config.database = Some(folder.join("metadata.sqlite"));
    config.listen = "127.0.0.1:0".into();
    serve(config, |address| println!("listening on http://{address}")).await.unwrap();
}

struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the server ended before it listened").unwrap();
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.to_owned();
            }
        };
        Self { child, address }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What a file of this id has in it, and how it is sent.
fn chunks_of(id: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(id);
    let total = random.below(7);
    let size = 1 + random.below(30_000) as usize;
    let odd = random.below(4) == 0;
    (0..total)
        .map(|number| {
            let last = number + 1 == total;
            let len = if last || odd { random.below(size as u64 + 1) as usize } else { size };
            let mut data: Vec<u8> = (0..len).map(|index| (id as usize + index * 7) as u8).collect();
            if number == 0 {
                data.splice(..8.min(len), id.to_le_bytes().into_iter().take(len));
            }
            data
        })
        .collect()
}

/// An upload as its client knows it.
#[derive(Clone, Debug)]
struct Upload {
    id: u64,
    session: Option<String>,
    acknowledged: HashSet<u64>,
    completing: bool,
}

impl Upload {
    fn new(id: u64) -> Self {
        Self { id, session: None, acknowledged: HashSet::new(), completing: false }
    }

    fn name(&self) -> String {
        format!("d{}/{}", self.id % 3, self.id % NAMES)
    }
}

/// A completion of a file, with the moments it was asked for and was over.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    id: u64,
    began: u64,
    ended: Option<u64>,
}

/// What may be at a name.
#[derive(Debug, Default)]
struct Name {
    candidates: Vec<Candidate>,
    must_be_there: bool,
}

/// What may be at each name: the last acknowledged file, and what was asked for at the same time or since.
#[derive(Debug, Default)]
struct Expected {
    names: BTreeMap<String, Name>,
    clock: u64,
    /// How many completions were acknowledged.
    acknowledged: u64,
}

impl Expected {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn completing(&mut self, upload: &Upload) {
        let began = self.tick();
        let candidates = &mut self.names.entry(upload.name()).or_default().candidates;
        candidates.push(Candidate { id: upload.id, began, ended: None });
    }

    fn completed(&mut self, upload: &Upload) {
        self.acknowledged += 1;
        let now = self.tick();
        let name = self.names.entry(upload.name()).or_default();
        name.must_be_there = true;
        let own = name.candidates.iter_mut().rev().find(|candidate| candidate.id == upload.id).unwrap();
        own.ended = Some(now);
        let began = own.began;
        // What was over before this one began has been replaced by it.
        name.candidates.retain(|candidate| candidate.ended.is_none_or(|ended| ended > began));
    }

    /// The server is dead: whatever was under way has happened or never will.
    fn killed(&mut self) {
        let now = self.tick();
        for candidate in self.names.values_mut().flat_map(|name| &mut name.candidates) {
            candidate.ended.get_or_insert(now);
        }
    }
}

/// Sends one upload after the other until the server is gone.
async fn upload_until_killed(
    panel: Panel,
    mut upload: Upload,
    expected: Arc<Mutex<Expected>>,
    step: u64,
    seed: u64,
) -> Upload {
    let mut random = Random::new(seed);
    loop {
        if one_upload(&panel, &mut upload, &expected, &mut random).await.is_err() {
            return upload;
        }
        upload = Upload::new(upload.id + step);
    }
}

async fn one_upload(
    panel: &Panel,
    upload: &mut Upload,
    expected: &Mutex<Expected>,
    random: &mut Random,
) -> reqwest::Result<()> {
    let chunks = chunks_of(upload.id);
    let session = match &upload.session {
        Some(session) => session.clone(),
        None => {
            let answer = panel.try_init(chunks.len() as u64).await?;
            upload.session.insert(answer["upload_id"].as_str().unwrap().to_owned()).clone()
        }
    };
    let mut missing: Vec<u64> =
        (0..chunks.len() as u64).filter(|number| !upload.acknowledged.contains(number)).collect();
    random.shuffle(&mut missing);
    for pair in missing.chunks(2) {
        let sent = pair.iter().map(|&number| {
            let (session, data) = (&session, chunks[number as usize].clone());
            async move { (number, panel.try_chunk(session, number, data).await) }
        });
        for (number, answer) in futures_util::future::join_all(sent).await {
            let (_, answer) = answer?;
            assert_eq!(answer["status"], "chunk received", "{answer}");
            upload.acknowledged.insert(number);
        }
    }
    upload.completing = true;
    expected.lock().unwrap().completing(upload);
    let (_, answer) = panel.try_complete(&session, "run", &upload.name(), chunks.len() as u64).await?;
    assert_eq!(answer["status"], "upload complete", "{answer}");
    expected.lock().unwrap().completed(upload);
    Ok(())
}

/// Looks at every file there is: whole, and one of those that may be there.
async fn check_files(panel: &Panel, expected: &Expected) {
    let listed = panel.list("run", "in").await;
    for (name, what) in &expected.names {
        let is_listed = listed.iter().any(|(path, _)| *path == format!("in/{name}"));
        assert!(is_listed || !what.must_be_there, "{name} was acknowledged and is not there");
    }
    for (path, size) in listed {
        let content = panel.read("run", &path).await.unwrap();
        assert_eq!(content.len() as u64, size, "{path}");
        let candidates = &expected.names[path.strip_prefix("in/").unwrap()].candidates;
        let is_one = candidates.iter().any(|candidate| chunks_of(candidate.id).concat() == content);
        assert!(is_one, "{path} is none of {candidates:?}");
    }
}

fn snapshot(expected: &Mutex<Expected>) -> Expected {
    let expected = expected.lock().unwrap();
    let names = expected.names.iter().map(|(name, what)| {
        let candidates = what.candidates.clone();
        (name.clone(), Name { candidates, must_be_there: what.must_be_there })
    });
    Expected { names: names.collect(), clock: expected.clock, acknowledged: expected.acknowledged }
}

/// Every session has what was acknowledged, or was completed without an answer.
async fn check_sessions(panel: &Panel, uploads: &mut [Upload], step: u64) {
    for upload in uploads {
        let Some(session) = &upload.session else { continue };
        let (exists, numbers) = panel.status(session).await;
        if exists {
            let numbers: HashSet<u64> = numbers.into_iter().collect();
            assert!(upload.acknowledged.is_subset(&numbers), "{upload:?} has {numbers:?}");
            upload.completing = false;
        } else {
            assert!(upload.completing, "{upload:?} is gone");
            let content = panel.read("run", &format!("in/{}", upload.name())).await;
            assert!(content.is_some(), "{upload:?} is gone without a file");
            *upload = Upload::new(upload.id + step);
        }
    }
}

fn rounds() -> u64 {
    let rounds = std::env::var("TWINFS_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    rounds.unwrap_or(if std::env::var_os("TWINFS_SOAK").is_some() { 200 } else { 20 })
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_loses_nothing_it_acknowledged_and_shows_no_part() {
    let seed = std::env::var("TWINFS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let rounds = rounds();
    println!("{rounds} kills, seed {seed}");
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let expected = Arc::new(Mutex::new(Expected::default()));
    let mut uploads: Vec<Upload> = (0..IN_FLIGHT).map(Upload::new).collect();
    for round in 0..rounds {
        let server = Process::start(folder.path());
        let panel = Panel::new(&server.address, "ada");
        check_sessions(&panel, &mut uploads, IN_FLIGHT).await;
        check_files(&panel, &snapshot(&expected)).await;
        let tasks: Vec<_> = uploads
            .into_iter()
            .map(|upload| {
                let (panel, expected) = (panel.clone(), Arc::clone(&expected));
                let seed = random.next();
                tokio::spawn(upload_until_killed(panel, upload, expected, IN_FLIGHT, seed))
            })
            .collect();
        tokio::time::sleep(Duration::from_micros(random.below(250_000))).await;
        // With a slow disk it takes longer until there is something to lose.
        let acknowledged = || expected.lock().unwrap().acknowledged;
        eventually("uploads are completed", async || acknowledged() >= round).await;
        server.kill();
        uploads = Vec::new();
        for task in tasks {
            uploads.push(task.await.unwrap());
        }
        expected.lock().unwrap().killed();
    }
    let server = Process::start(folder.path());
    let panel = Panel::new(&server.address, "ada");
    check_sessions(&panel, &mut uploads, IN_FLIGHT).await;
    check_files(&panel, &snapshot(&expected)).await;
    for upload in &mut uploads {
        one_upload(&panel, upload, &expected, &mut random).await.unwrap();
    }
    let completed: u64 = uploads.iter().map(|upload| upload.id / IN_FLIGHT).sum();
    println!(
        "FIGURE: servers killed at random moments, seed {seed}: {rounds}, {completed} uploads completed"
    );
    assert!(completed + 1 >= rounds, "the server hardly did anything between the kills");
    server.kill();
    nothing_left(folder.path()).await;
}

/// What killed servers left is swept when its time comes; here only its amount is looked at: one staged
/// upload for each request that a kill cut off between the store and the database, at most.
async fn nothing_left(folder: &Path) {
    let staged = local(&folder.join("data")).await.list_staged().await.unwrap();
    let most = rounds() * IN_FLIGHT * 2;
    println!("{} staged uploads are left, to be swept when they expire", staged.len());
    assert!((staged.len() as u64) < most, "{} staged uploads are left", staged.len());
}

#[tokio::test]
async fn a_kill_leaves_a_database_that_knows_the_users() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let server = Process::start(folder.path());
        let panel = Panel::new(&server.address, "ada");
        let body = json!({"name": "ada", "password": "x"});
        let request = panel.request(reqwest::Method::POST, "/api/login").json(&body);
        assert_eq!(request.send().await.unwrap().status().as_u16(), 401);
        server.kill();
    }
}
