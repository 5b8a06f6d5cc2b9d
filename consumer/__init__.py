"""The long-lived process that prices."""
