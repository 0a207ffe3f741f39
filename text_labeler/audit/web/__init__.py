"""The audit room in a browser: routes, sessions, and what a page is given to show."""
