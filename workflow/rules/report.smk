rule render_quality_table:
    input:
        runs=lambda wildcards: table_runs(int(wildcards.table)),
        reference=rules.extract_reference.output.report,
    output:
        multiext(f"reports/{SCALE_NAME}/table{{table,1|2|4}}", ".md", ".csv", ".tex"),
    log:
        f"logs/{SCALE_NAME}/render_table{{table}}.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        results=subpath(input.reference, parent=True),
        reports=subpath(output[0], parent=True),
        rows=lambda wildcards: table_labels(int(wildcards.table)),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "dataset", "seeds", "evaluation"),
        code=provenance.code_digest("reporting"),
    shell:
        "python -m an table --table {wildcards.table} --scale {params.scale} --results {params.results}"
        " --reports {params.reports} &> {log}"


rule render_timing_table:
    input:
        timing=rules.time_modules.output[0],
    output:
        multiext(f"reports/{SCALE_NAME}/table5", ".md", ".csv", ".tex"),
    log:
        f"logs/{SCALE_NAME}/render_table5.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        results=subpath(input.timing, parent=True),
        reports=subpath(output[0], parent=True),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "timing"),
        code=provenance.code_digest("reporting"),
    shell:
        "python -m an table --table 5 --scale {params.scale} --results {params.results}"
        " --reports {params.reports} &> {log}"
