"""`kubectl bookstore why`: from the gate that blocks to the object, its cause, and the page."""

from kubectl_bookstore.cluster.kubectl import Kubectl
from kubectl_bookstore.cluster.observe import find_operators
from kubectl_bookstore.commands.look import look
from kubectl_bookstore.errors import ExitCode
from kubectl_bookstore.options import Name, Output
from kubectl_bookstore.output import Format, note, print_data, say
from kubectl_bookstore.views.advice import all_advice
from kubectl_bookstore.views.outcome import Outcome, is_observed
from kubectl_bookstore.views.text import clean, words
from kubectl_bookstore.views.why import Cause, WhyView, why_of


def why(kubectl: Kubectl, name: Name = None, *, output: Output = Format.TEXT) -> ExitCode:
    """Say why a BookStore is not done: the gate, the object, the cause, and what to do.

    What it means and what to do are the words of docs/reference/failures.md.

    For example:
      kubectl bookstore why demo
      kubectl bookstore why demo -o json
    """
    current = look(kubectl, name)
    found = why_of(current.view, current.observation, all_advice())
    if not is_observed(current.observation.snapshot):
        found = found.model_copy(update={"notes": [*found.notes, _about_operator(kubectl)]})
    if output is Format.TEXT:
        for line in lines_of(found):
            say(line)
        for text in found.notes:
            note(f"Note: {text}")
    else:
        print_data(found.manifest(), output)
    return ExitCode.DONE


def lines_of(found: WhyView) -> list[str]:
    """Return the text about why a BookStore is not done."""
    title = f"BookStore {found.namespace}/{found.name}"
    if not found.causes:
        return [f"{title}: nothing blocks it; the current spec serves."]
    lines = []
    if found.outcome is Outcome.DONE:
        lines.append(f"{title} serves the current spec, with a problem beside it.")
    else:
        chain = [title, *([f"release {found.release}"] if found.release else [])]
        chain += [f"stage {found.stage}"] if found.stage else []
        chain += [f"gate {words(found.gate)}"] if found.gate else []
        lines.append(f"{' → '.join(chain)}: {found.outcome}")
    for cause in found.causes:
        lines += ["", f"{cause.reason}: {clean(cause.message)}", *_details(cause)]
    return lines


def _details(cause: Cause) -> list[str]:
    details = {
        "meaning": cause.meaning,
        "what to do": cause.todo,
        "continues": cause.continues,
        "page": cause.page,
    }
    lines = [f"  {name + ':':<12} {clean(text)}" for name, text in details.items() if text]
    return lines + [f"  {'see:':<12} {item.command}" for item in cause.objects]


def _about_operator(kubectl: Kubectl) -> str:
    """Return what is known of the operator that has not seen the current spec."""
    operators = find_operators(kubectl)
    if operators is None:
        return "The operator has not seen the current spec, and you may not read its Deployment."
    if not operators:
        return (
            "The operator has not seen the current spec, and there is no Deployment of it in this "
            "cluster. Install it: kubectl apply --server-side -f manifests/install.yaml."
        )
    states = [
        f"{item['metadata']['namespace']}/{item['metadata']['name']} has "
        f"{item.get('status', {}).get('readyReplicas', 0)} of {item['spec'].get('replicas', 1)} "
        "Pods ready"
        for item in operators
    ]
    space = operators[0]["metadata"]["namespace"]
    return (
        f"The operator has not seen the current spec: {'; '.join(states)}. "
        f"See kubectl logs -n {space} deployment/{operators[0]['metadata']['name']}."
    )
