"""What every request passes through, as pure ASGI: outermost first.

Starlette's own base class for middleware costs a hundred microseconds a request, these a few.
"""
