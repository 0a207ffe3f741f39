"""The whole way on the phantom corpus, with a report to show."""
