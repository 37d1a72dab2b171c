"""Pages as the API's /metrics answers them."""

EDGES = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0")


def page(
    *,
    revision: int,
    process: float = 1.7e9,
    requests: int = 0,
    errors: int = 0,
    slow: int = 0,
    connections: int = 0,
) -> str:
    """Return a page: `slow` requests took 20 s, all others 1 ms; absent series are none."""
    labels = 'method="GET",route="/api/v1/books"'
    lines = [
        "# HELP process_start_time_seconds Start time.",
        f"process_start_time_seconds {process}",
        f'bookstore_build_info{{version="1",revision="{revision}",color="blue"}} 1.0',
        f"bookstore_http_connections_open {float(connections)}",
    ]
    for status, count in (("200", requests - errors), ("500", errors)):
        if count:
            name = "bookstore_http_requests_total"
            lines.append(f'{name}{{{labels},status="{status}"}} {float(count)}')
    if requests:
        name = "bookstore_http_request_duration_seconds"
        lines += [f'{name}_bucket{{{labels},le="{e}"}} {float(requests - slow)}' for e in EDGES]
        lines.append(f'{name}_bucket{{{labels},le="+Inf"}} {float(requests)}')
        lines.append(f"{name}_count{{{labels}}} {float(requests)}")
    return "\n".join([*lines, ""])
