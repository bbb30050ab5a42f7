"""A report as one HTML page that needs no network: `render_page`."""

from gdfq_export.views.html.page import render_page
