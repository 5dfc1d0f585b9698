"""The bundled corpus and the demo's closing report."""
