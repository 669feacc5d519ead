"""What a person decides where the gates alone would stop a candidate."""

from dataclasses import dataclass

from readmission.evaluation import gates
from readmission.evaluation.gates import Check, Verdict


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Decisions of the person who promotes.

    Attributes:
        who: Who decides.
        why: Reason for what follows; empty if there is nothing to give a reason for.
        again: Whether a version may return that was rolled back from.
        waived: Names of the gates that are waived where they are in doubt.
    """

    who: str
    why: str = ""
    again: bool = False
    waived: tuple[str, ...] = ()

    def waive(self, verdict: Verdict) -> Verdict:
        """Return the verdict with the named gates waived, as far as they are in doubt."""
        doubts = {check.gate for check in verdict.failed if check.in_doubt}
        for gate in self.waived:
            if gate in doubts:
                verdict = gates.waive(verdict, gate, self.who, self.why)
        return verdict

    def check_return(self) -> Check:
        """Return the gate for a model that was rolled back from: it passes only with a person's reason."""
        return Check(
            gate="not_rolled_back",
            figure="rolled_back",
            value=1.0,
            limit="0, or let return by --again with a reason",
            passed=self.again,
            reason=self.why or "A person rolled back from this version, so only a person may let it return.",
        )
