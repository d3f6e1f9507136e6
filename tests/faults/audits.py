"""The machine looked at with tools that others wrote: lynis inside it, ssh-audit and testssl.sh from the client."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cases import DIRECTORY
from explained import WHY_LEFT
from testbed import layout as where
from testbed.bed import Bed

RESULTS = DIRECTORY / "audits"


@dataclass(frozen=True, order=True)
class Finding:
    """`id` as the tool names it; `level` in the tool's own word."""

    id: str
    level: str
    text: str


@dataclass
class Audit:
    """What one tool says at one time. `score`: the tool's own, if it has one."""

    tool: str
    when: str
    score: str = ""
    findings: list[Finding] = field(default_factory=list)

    def ids(self) -> set[str]:
        return {finding.id for finding in self.findings}

    def summary(self) -> str:
        score = f"{self.score}, " if self.score else ""
        return f"{score}{len(self.findings)} findings"

    def unexplained(self) -> list[Finding]:
        """Findings of this tool that nobody has said anything about."""
        return [finding for finding in self.findings if why(self.tool, finding) is None]

    def keep(self) -> None:
        """For the page, with each finding's explanation."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        found = [asdict(finding) | {"why": why(self.tool, finding) or ""} for finding in sorted(self.findings)]
        data = {"tool": self.tool, "when": self.when, "score": self.score, "findings": found}
        (RESULTS / f"{self.tool}-{self.when}.json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def why(tool: str, finding: Finding) -> str | None:
    """Why a finding is left."""
    reasons = (reason for pattern, reason in WHY_LEFT[tool].items() if re.fullmatch(pattern, finding.id))
    return next(reasons, None)


def lynis(bed: Bed, when: str) -> Audit:
    """Inside the machine, with its own release's lynis."""
    machine = bed.machine
    if not machine.exists("/usr/sbin/lynis"):
        machine.sh("apt-get -q update && apt-get -q install -y --no-install-recommends lynis", timeout=300)
    machine.run(["lynis", "audit", "system", "--quick", "--quiet", "--no-colors"], timeout=600, check=False)
    report = machine.get("/var/log/lynis-report.dat").decode(errors="replace")
    index = re.search(r"^hardening_index=(\d+)$", report, re.MULTILINE)
    assert index, "lynis did not end with an index"
    # The same test may have several findings of its own text.
    found = re.findall(r"^(suggestion|warning)\[\]=([A-Z0-9-]+)\|([^|]*)\|", report, re.MULTILINE)
    return Audit("lynis", when, f"index {index[1]}", sorted({Finding(id, level, text) for level, id, text in found}))


def ssh_audit(bed: Bed, when: str) -> Audit:
    """From the client. Its exit status counts findings."""
    done = bed.client.run(["ssh-audit", "-j", where.MACHINE_V4], timeout=120, check=False)
    said = json.loads(done.stdout[done.stdout.index("{") :])
    text = bed.client.run(["ssh-audit", "-b", "-n", where.MACHINE_V4], timeout=120, check=False).stdout
    assert said["banner"]["software"], said
    found = re.findall(r"^\((kex|key|enc|mac|cve|fin|rec)\) (\S+) .*?-- \[(fail|warn)\] (.*)$", text, re.MULTILINE)
    return Audit("ssh-audit", when, said["banner"]["software"], sorted({Finding(f"{kind} {name}", level, why) for kind, name, level, why in found}))


#: Better than these is no finding.
FINE = ("OK", "INFO", "DEBUG")


def testssl(bed: Bed, when: str) -> Audit:
    """From the client; the bed's roots stand for those of the world."""
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory) / "said.json"
        argv = ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip", where.MACHINE_V4]
        checks = ["--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--headers", "--vulnerable"]
        roots = ["--add-ca", str(bed.layout.trust), "--jsonfile", str(result)]
        done = bed.client.run([*argv, *checks, *roots, f"https://{where.SITE}"], timeout=900, check=False, env={"HOME": directory})
        assert result.exists(), f"testssl wrote nothing:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        rows = json.loads(result.read_text())
    assert any(row["id"] == "TLS1_3" for row in rows), rows[:5]
    found = {Finding(row["id"], row["severity"], row["finding"]) for row in rows if row["severity"] not in FINE}
    return Audit("testssl", when, f"{len(rows)} checks", sorted(found))
