"""Settings of the documentation site, which `make docs` builds with Sphinx; a broken link ends the build."""

import importlib.metadata

project = "AutoML Vision"
release = importlib.metadata.version("automl-vision")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["images/**"]
myst_heading_anchors = 3  # the anchors that GitHub gives, so that one link works in both places
default_role = "code"  # docstrings mark code with single backticks

napoleon_use_ivar = True  # attributes of a record as one list
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config"}
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = "AutoML Vision"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
