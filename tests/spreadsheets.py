"""Spreadsheets of a few cells, written by hand."""

import io
import zipfile

RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HIDDEN = ' hidden="1"'
ODS_HIDDEN = ' table:visibility="filter"'
OPEN = "urn:oasis:names:tc:opendocument:xmlns"


def xlsx(cells, *, merged=(), hidden=(), **others):
    """The smallest workbook with these rows, cells such as `A2:A4` merged, rows of all sheets hidden, and other sheets by name."""
    sheets = {"Tabelle1": cells} | others
    if not cells:
        del sheets["Tabelle1"]
    numbered = list(enumerate(sheets.items(), start=1))
    names = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, (name, _) in numbered)
    links = "".join(
        f'<Relationship Id="r{n}" Type="{DOCUMENT}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n, _ in numbered
    )
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" '
        f'Type="{DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{DOCUMENT}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{links}</Relationships>',
    }
    joined = "".join(f'<mergeCell ref="{each}"/>' for each in merged)
    for number, (_, rows) in numbered:
        sheet = "".join(
            f"<row{HIDDEN if place in hidden else ''}>{''.join(map(cell_of, row))}</row>"
            for place, row in enumerate(rows)
        )
        merges = f"<mergeCells>{joined}</mergeCells>" if merged else ""
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{SHEET}"><sheetData>{sheet}</sheetData>{merges}</worksheet>'
        )
    return packed(parts)


def cell_of(value):
    if not value and isinstance(value, str):
        return "<c/>"
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value}</v></c>"


def ods(cells, *, hidden=(), times=1):
    """The same for OpenDocument, each row stored once and repeated."""
    rows = (
        f'<table:table-row table:number-rows-repeated="{times if place else 1}"{ODS_HIDDEN if place in hidden else ""}>'
        + "".join(
            f'<table:table-cell office:value-type="float" office:value="{cell}"><text:p>{cell}</text:p></table:table-cell>'
            if isinstance(cell, int)
            else f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
            for cell in row
        )
        + "</table:table-row>"
        for place, row in enumerate(cells)
    )
    content = (
        f'<office:document-content xmlns:office="{OPEN}:office:1.0" xmlns:table="{OPEN}:table:1.0" '
        f'xmlns:text="{OPEN}:text:1.0"><office:body><office:spreadsheet><table:table table:name="Sheet1">'
        f"{''.join(rows)}</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    listed = (
        f'<m:manifest xmlns:m="{OPEN}:manifest:1.0"><m:file-entry m:full-path="/" m:media-type="{kind}"/></m:manifest>'
    )
    return packed({"mimetype": kind, "META-INF/manifest.xml": listed, "content.xml": content})


def packed(parts):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return stream.getvalue()
