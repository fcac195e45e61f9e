//! A PostgreSQL of the test's own, from the programs of the system.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{certificates, ports};

/// Turns a skipped test into a failure.
const REQUIRE_VARIABLE: &str = "MILENA_REQUIRE_POSTGRES";
const CERTIFICATE: &str = "server.crt";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// TLS for this database only; for the others as clients like it.
pub(crate) const SECURED: &str = "secured";
const SECURED_RULES: &str =
    "hostssl secured all 127.0.0.1/32 trust\nhostnossl secured all 127.0.0.1/32 reject\n";

/// A server with a data folder, a port and a certificate of its own, as Debian's has one; dropping it
/// ends it.
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    user: Option<(u32, u32)>,
    server: Child,
}

impl Postgres {
    /// `None`, with a word on standard error, where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Postgres> {
        let Some(programs) = programs() else {
            let reason = "PostgreSQL was not found; on Debian: apt-get install postgresql";
            assert!(std::env::var_os(REQUIRE_VARIABLE).is_none(), "{reason}");
            // Past the test runner, which keeps to itself what passing tests print.
            let _ = writeln!(std::io::stdout(), "skipped: {reason}");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("we are root");
        }
        let data = data(&folder);
        let status = command(&programs, "initdb", user)
            .args([
                "--username=milena",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
            ])
            .args(["--locale=C", "--pgdata"])
            .arg(&data)
            .current_dir(folder.path())
            .status();
        assert!(status.expect("initdb runs").success(), "initdb failed");
        let rules = data.join("pg_hba.conf");
        let defaults = std::fs::read_to_string(&rules).expect("rules");
        std::fs::write(&rules, format!("{SECURED_RULES}{defaults}")).expect("written");
        write_certificate(&data, user);
        let port = ports::hold().and_then(|held| held.local_addr());
        let port = port.expect("a port").port();
        let server = command(&programs, "postgres", user)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "ssl=on", "-p"])
            .arg(port.to_string())
            .arg("-k")
            .arg(folder.path())
            .arg("-D")
            .arg(&data)
            .current_dir(folder.path())
            .spawn()
            .expect("postgres runs");
        let mut postgres = Postgres {
            programs,
            folder,
            port,
            user,
            server,
        };
        postgres.wait_until_ready();
        Some(postgres)
    }

    /// The file that vouches for the server.
    pub(crate) fn certificate(&self) -> PathBuf {
        data(&self.folder).join(CERTIFICATE)
    }

    /// The URL of a new database.
    pub(crate) fn database(&self, name: &str) -> String {
        let status = self.client("createdb").arg(name).status();
        assert!(status.expect("createdb runs").success(), "createdb {name}");
        format!("postgres://milena@127.0.0.1:{}/{name}", self.port)
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let ready = self.client("pg_isready").status();
            if ready.expect("pg_isready runs").success() {
                return;
            }
            let ended = self.server.try_wait().expect("a status");
            assert!(ended.is_none(), "postgres ended: {ended:?}");
            assert!(Instant::now() < deadline, "postgres is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn client(&self, program: &str) -> Command {
        let mut command = command(&self.programs, program, self.user);
        command
            .args(["-h", "127.0.0.1", "-U", "milena", "-p"])
            .arg(self.port.to_string())
            .current_dir(self.folder.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = command(&self.programs, "pg_ctl", self.user)
            .args(["stop", "-m", "immediate", "-w", "-D"])
            .arg(data(&self.folder))
            .current_dir(self.folder.path())
            .status();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// Under the names that the server looks for.
fn write_certificate(data: &Path, user: Option<(u32, u32)>) {
    let (certificate, key) = certificates::self_signed("server");
    for (name, text, mode) in [
        (CERTIFICATE, certificate, 0o644),
        ("server.key", key, 0o600),
    ] {
        let path = data.join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
        if let Some((uid, gid)) = user {
            chown(&path, Some(uid), Some(gid)).expect("we are root");
        }
    }
}

fn command(programs: &Path, program: &str, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(programs.join(program));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// Where the server's programs are: on Debian not on the search path.
fn programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    folders.sort();
    folders.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| {
        let programs = ["initdb", "postgres", "pg_ctl", "createdb", "pg_isready"];
        programs.iter().all(|program| folder.join(program).exists())
    })
}

/// PostgreSQL refuses to run as root: then it runs as the user of its package, or as nobody.
fn unprivileged() -> Option<(u32, u32)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let is_root = uid.is_some_and(|uid| uid.split_whitespace().nth(1) == Some("0"));
    if !is_root {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |name: &str| {
        let line = passwd
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody"))
}
