"""`python -m demo up | release | down`: what `make demo` and its sisters run."""

import json
import os
import subprocess
import sys
import time
from typing import Annotated, Any

import httpx
import typer

from demo.deploy import (
    ROOT,
    Cluster,
    DemoError,
    build_image,
    cluster_up,
    install_operator,
    load_images,
    load_manifest,
    metrics_added_meanwhile,
)
from demo.follow import DRAINED, WATCHED, follow
from demo.kubectl import Kubectl, KubectlError
from demo.traffic import traffic, wait_until_answering
from devcluster import kindcluster
from devcluster.errors import DevclusterError
from devcluster.progress import duration, say, step

STORE = "demo"
BOOKS = 200
"""How many made-up books the demo's shop has."""
SAMPLE = ROOT / "manifests" / "samples" / "demo.yaml"
BOOK = {
    "title": "The Left Hand of Darkness",
    "authors": ["Ursula K. Le Guin"],
    "isbn": "9780441478125",
    "price": {"amount": "9.99", "currency": "EUR"},
}
ANOTHER_BOOK = {
    "isbn": "9780807083697",
    "title": "Kindred",
    "authors": ["Octavia E. Butler"],
    "price": {"amount": "12.50", "currency": "USD"},
}

app = typer.Typer(
    help="A BookStore on a real cluster on this machine.",
    no_args_is_help=True,
    add_completion=False,
)
Name = Annotated[str, typer.Option(help="The cluster's name.")]


@app.command()
def up(name: Name = "bookstore") -> None:
    """Create or update a cluster, the operator and a BookStore."""
    began = time.monotonic()
    cluster = cluster_up(name)
    with metrics_added_meanwhile(cluster):
        api, operator = build_image(cluster, "api"), build_image(cluster, "operator")
        backup = build_image(cluster, "backup")
        load_images(cluster, [api, operator, backup, *cluster.server_images])
        install_operator(cluster, operator, backup)
        release_image(cluster, api)
    say("")
    fill_shelves(cluster.kubectl())
    make_request(cluster)
    say(f"\nBookStore {STORE} is Ready after {duration(time.monotonic() - began)}.")
    show_autoscaler(cluster)
    say(f"""
  Its API:        {cluster.url}/docs
  Look around:    eval "$(.venv/bin/devcluster env --name {name})"
                  kubectl get bookstores,bookstorereleases,pods
                  .venv/bin/kubectl-bookstore status {STORE}
                  kubectl get hpa {STORE} --watch     it follows the load
  Add a book:     TOKEN=$(kubectl get secret {STORE}-staff -o jsonpath={{.data.token}} | base64 -d)
                  curl {cluster.url}/api/v1/books -H "Authorization: Bearer $TOKEN" \\
                    -H 'Content-Type: application/json' -d '{json.dumps(ANOTHER_BOOK)}'
  Release:        make demo-release     a second image goes live, under traffic
  Delete all:     make demo-down
""")


@app.command()
def release(name: Name = "bookstore") -> None:
    """Build a second image and release it while requests go on."""
    cluster = Cluster.of(kindcluster.get(name))
    kubectl = cluster.kubectl()
    releases = kubectl.list("bookstorerelease", f"bookstore.dev/store={STORE}")
    if not releases:
        raise DemoError(f"BookStore {STORE} does not exist yet. Create it with make demo.")
    api = build_image(cluster, "api", build=f"demo-{len(releases) + 1}")
    load_images(cluster, [api])
    with traffic(f"{cluster.url}/api/v1/books") as requests:
        release_image(cluster, api, last=DRAINED)
    say(f"\n{requests.sent} requests during the release, {requests.failed} failed.")
    if requests.failed:
        raise DemoError(f"Responses by status code: {dict(requests.answers)}")
    show_autoscaler(cluster)
    say(f"\n{plugin(kubectl, 'history', STORE)}")
    say(f"The old color stays warm for a while: .venv/bin/kubectl-bookstore rollback {STORE}")


@app.command()
def down(name: Name = "bookstore") -> None:
    """Delete the cluster and everything that it uses on this machine."""
    kindcluster.down(name)


def release_image(cluster: Cluster, image: str, *, last: str = WATCHED) -> None:
    """Apply the sample BookStore with this image and show the release up to its `last` stage."""
    kubectl = cluster.kubectl()
    store = load_manifest(SAMPLE)
    store["spec"]["image"] = image
    kubectl.apply(store)
    try:
        follow(kubectl, STORE, image, last=last)
    except DemoError as error:
        raise DemoError(f"{error}\n\n{plugin(kubectl, 'why', STORE)}") from error


def plugin(kubectl: Kubectl, *arguments: str) -> str:
    """Return what `kubectl bookstore` prints, whatever its exit code says about the BookStore."""
    command = [sys.executable, "-m", "kubectl_bookstore", *arguments]
    command += ["--namespace", kubectl.namespace]
    environment = {**os.environ, **kubectl.environment}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return run.stdout.strip() or run.stderr.strip()


def show_autoscaler(cluster: Cluster, *, timeout: float = 90) -> None:
    """Wait until the autoscaler has metrics, and show it.

    The metrics server reads each Pod twice, 15 s apart, before it knows how busy it is.
    """
    kubectl = cluster.kubectl()
    deadline = time.monotonic() + timeout
    with step("Autoscaling: the metrics server knows the Pods", expected_seconds=45):
        while not has_metrics(kubectl.find("hpa", STORE)):
            if time.monotonic() > deadline:
                raise DemoError(
                    f"HorizontalPodAutoscaler {STORE} has no metrics after {timeout:.0f} s. "
                    f"See kubectl describe hpa {STORE}."
                )
            time.sleep(0.5)
    say(kubectl("get", "hpa", STORE))


def has_metrics(autoscaler: dict[str, Any] | None) -> bool:
    """Whether an autoscaler knows how busy the Pods of its target are."""
    conditions = ((autoscaler or {}).get("status") or {}).get("conditions") or []
    return any(c["type"] == "ScalingActive" and c["status"] == "True" for c in conditions)


def fill_shelves(kubectl: Kubectl) -> None:
    """Fill the catalog with made-up books, by the image's own command in a Pod that serves."""
    store = kubectl.find("bookstore", STORE) or {}
    color = ((store.get("status") or {}).get("active") or {}).get("color", "blue")
    command = ("bookstore-api", "seed", f"--books={BOOKS}")
    with step(f"The catalog: {BOOKS} made-up books", expected_seconds=3):
        kubectl("exec", f"deployment/{STORE}-{color}", "--container=api", "--", *command)


def make_request(cluster: Cluster) -> None:
    """Create a book, unless it exists, and list the books, as a client would."""
    books = f"{cluster.url}/api/v1/books"
    wait_until_answering(books)
    written = httpx.post(books, json=BOOK, headers=staff(cluster.kubectl(), STORE), timeout=10)
    if written.status_code not in {201, 409}:
        raise DemoError(f"POST {books}: {written.status_code} {written.text}")
    read = httpx.get(books, params={"limit": 1}, timeout=10)
    if read.status_code != 200:
        raise DemoError(f"GET {books}: {read.status_code} {read.text}")
    say(f"$ curl {books}?limit=1\n{json.dumps(read.json(), indent=2)}")


def staff(kubectl: Kubectl, store: str) -> dict[str, str]:
    """Return the header that authorizes writes, with the token that the operator generated."""
    return {"Authorization": f"Bearer {kubectl.secret(f'{store}-staff')['token']}"}


def main() -> None:
    """Run the command; print an error that a person can fix without a traceback."""
    try:
        app(standalone_mode=True)
    except (DemoError, DevclusterError, KubectlError) as error:
        say(f"\n{error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
