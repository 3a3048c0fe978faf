"""Checks of built artifacts, and their report."""
