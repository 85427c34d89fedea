rule render_quality_table:
    input:
        runs=lambda wildcards: table_runs(int(wildcards.table)),
        reference=rules.extract_reference.output.report,
    output:
        multiext(f"reports/{SCALE_NAME}/table{{table,1|2|4}}", ".md", ".csv", ".tex", ".html", "_cells.csv"),
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
        code=provenance.code_digest("reporting", "reporting/page.html"),
    shell:
        "python -m an table --table {wildcards.table} --scale {params.scale} --results {params.results}"
        " --reports {params.reports} &> {log}"


rule render_inpainting_table:
    input:
        runs=expand(rules.evaluate_completions.output, inpainting_row=INPAINTING_ROWS, seed=SCALE.seeds),
        controls=expand(rules.evaluate_controls.output, control=CONTROL_ROWS),
    output:
        multiext(f"reports/{SCALE_NAME}/table3", ".md", ".csv", ".tex", ".html", "_cells.csv"),
    log:
        f"logs/{SCALE_NAME}/render_table3.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        results=lambda wildcards, input: os.path.dirname(os.path.dirname(input.controls[0])),
        reports=subpath(output[0], parent=True),
        rows=table_labels(3),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "seeds") + inpainting_section("dataset", "resolution"),
        code=provenance.code_digest("reporting", "reporting/page.html"),
    shell:
        "python -m an table --table 3 --scale {params.scale} --results {params.results}"
        " --reports {params.reports} &> {log}"


rule draw_figure9:
    input:
        controls=rules.complete_controls.output,
        completed=expand(rules.complete_heldout.output, inpainting_row=["ca", "an-inpainting"], seed=SCALE.seeds[0]),
    output:
        f"reports/{SCALE_NAME}/figure9.png",
    log:
        f"logs/{SCALE_NAME}/draw_figure9.log",
    conda:
        "../../environment.yml"
    params:
        samples=lambda wildcards, input: os.path.dirname(os.path.dirname(os.path.dirname(input.controls[0]))),
        seed=SCALE.seeds[0],
        code=provenance.code_digest("reporting"),
    shell:
        "python -m an figure --figure 9 --samples {params.samples} --seed {params.seed} --out {output} &> {log}"


rule render_timing_table:
    input:
        timing=rules.time_modules.output[0],
    output:
        multiext(f"reports/{SCALE_NAME}/table5", ".md", ".csv", ".tex", ".html", "_cells.csv"),
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
        code=provenance.code_digest("reporting", "reporting/page.html"),
    shell:
        "python -m an table --table 5 --scale {params.scale} --results {params.results}"
        " --reports {params.reports} &> {log}"


rule render_index:
    input:
        generation=expand(rules.evaluate_samples.output, row=ROWS, seed=SCALE.seeds),
        reference=rules.extract_reference.output.report,
        inpainting=expand(rules.evaluate_completions.output, inpainting_row=INPAINTING_ROWS, seed=SCALE.seeds),
        controls=expand(rules.evaluate_controls.output, control=CONTROL_ROWS),
        timing=rules.time_modules.output[0],
        figure=rules.draw_figure9.output[0],
    output:
        f"reports/{SCALE_NAME}/index.html",
    log:
        f"logs/{SCALE_NAME}/render_index.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        results=subpath(input.timing, parent=True),
        reports=subpath(output[0], parent=True),
        rows=json.dumps([table_labels(table) for table in TABLES]),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "dataset", "seeds", "evaluation"),
        code=provenance.code_digest("reporting", "reporting/page.html"),
    shell:
        "python -m an index --scale {params.scale} --results {params.results} --reports {params.reports} &> {log}"
