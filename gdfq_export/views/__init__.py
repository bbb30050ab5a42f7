"""Views of a report: HTML, JUnit XML, Markdown, tables, and previews of image sets."""
