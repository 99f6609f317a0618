"""Tests of the rules for personal data. Every name, number and address in them is made up."""
